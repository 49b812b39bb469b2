// The owner of the browser's one stream to the node: all tabs' watches go over a single WebSocket. It runs in a shared worker, or in the
// page where there are none. What it hands out is whole: the module below it proves of each watch that nothing is missing or twice.
import { connection } from '/confman.js';

/** @typedef {{id: string, filter: object, watch?: object, after: string, port: Port}} Subscription */

class Port {
  #out = []; #channel;
  subscriptions = new Map();

  constructor(channel) { this.#channel = channel; }

  // A burst goes over as one message.
  send(message) {
    if (this.#out.push(message) > 1) return;
    setTimeout(() => this.#channel.postMessage(this.#out.splice(0)));
  }
}

export class Hub {
  #ports = new Set(); #connection; #origin; #status = { state: 'idle' };

  constructor(origin) { this.#origin = origin; }

  /** Serves one tab over its end of a message channel. */
  attach(channel) {
    const port = new Port(channel);
    this.#ports.add(port);
    port.send({ status: this.#status });
    channel.onmessage = ({ data }) => this.#serve(port, data);
  }

  #serve(port, { op, id, filter, after, lock }) {
    switch (op) {
      case 'hello': // the lock is free again when the tab is gone, however it went
        if (lock) navigator.locks?.request(lock, () => this.#detach(port));
        break;
      case 'watch':
        this.#start({ id, filter, after, port });
        break;
      case 'unwatch':
        this.#stop(port.subscriptions.get(id));
        break;
      case 'retry':
        this.#again();
        break;
      case 'bye':
        this.#detach(port);
    }
  }

  #start(subscription) {
    const { id, filter, after, port } = subscription;
    this.#connection ??= connection({ url: this.#origin, transport: 'websocket' });
    subscription.watch = this.#connection.watch({ ...filter, after, onState: (s) => this.#report(s) });
    port.subscriptions.set(id, subscription);
    this.#follow(subscription, subscription.watch);
  }

  async #follow(subscription, watch) {
    const { id, port } = subscription;
    try {
      for await (const frame of watch) {
        if (subscription.watch !== watch) return;
        subscription.after = watch.position;
        port.send({ id, frame, position: watch.position });
      }
    } catch ({ message, reason, status, problem, oldest }) {
      if (subscription.watch !== watch) return;
      port.subscriptions.delete(id);
      port.send({ id, error: { message, reason, status, detail: problem?.detail, oldest } });
    }
  }

  #stop(subscription) {
    if (!subscription) return;
    subscription.port.subscriptions.delete(subscription.id);
    const { watch } = subscription;
    subscription.watch = undefined;
    watch.close();
  }

  #detach(port) {
    for (const subscription of [...port.subscriptions.values()]) this.#stop(subscription);
    this.#ports.delete(port);
    if (this.#ports.size > 0) return;
    this.#connection?.close();
    this.#connection = undefined;
    this.#status = { state: 'idle' };
  }

  // Connects anew without waiting, each watch from where it stands.
  #again() {
    const old = this.#connection;
    this.#connection = undefined;
    for (const port of this.#ports) {
      for (const subscription of [...port.subscriptions.values()]) {
        subscription.watch = undefined;
        this.#start(subscription);
      }
    }
    old?.close();
  }

  #report({ state, error, delayMs }) {
    if (state === 'closed') return; // one watch's end says nothing about the stream
    const next = { state, why: error && { message: error.message, reason: error.reason, status: error.status }, delayMs };
    if (next.state === this.#status.state && state !== 'waiting') return;
    this.#status = next;
    for (const port of this.#ports) port.send({ status: next });
  }
}
