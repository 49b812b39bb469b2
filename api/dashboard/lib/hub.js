// The owner of the browser's one stream to the node: all tabs' watches go over a single WebSocket. It runs in a shared worker, or in the
// page where there are none. What it hands out is whole: the module below it proves of each watch that nothing is missing or twice.
import { connection } from '/confman.js';

/** @typedef {{id: string, filter: object, watch?: object, after: string, port: Port, status?: object}} Subscription */

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
  #lock = `confman-hub-${Array.from(crypto.getRandomValues(new Uint32Array(2))).join('-')}`;

  constructor(origin) {
    this.#origin = origin;
    navigator.locks?.request(this.#lock, () => new Promise(() => {})); // held until the hub is gone, which tabs are told so
  }

  /** Serves one tab over its end of a message channel. */
  attach(channel) {
    const port = new Port(channel);
    this.#ports.add(port);
    port.send({ status: this.#status, lock: this.#lock });
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
    const watch = subscription.watch = this.#connection.watch({ ...filter, after, onState: (status) => {
      if (subscription.watch !== watch) return;
      subscription.status = status;
      this.#report();
    } });
    port.subscriptions.set(id, subscription);
    this.#follow(subscription, watch);
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
      this.#report();
    }
  }

  #stop(subscription) {
    if (!subscription) return;
    subscription.port.subscriptions.delete(subscription.id);
    const { watch } = subscription;
    subscription.watch = undefined;
    watch.close();
    this.#report();
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
        subscription.watch = subscription.status = undefined;
        this.#start(subscription);
      }
    }
    old?.close();
  }

  // The stream is as its watches are: one that waits tells of a cut, one that is open that there is none.
  #report() {
    const all = [...this.#ports].flatMap((port) => [...port.subscriptions.values()]).map((s) => s.status).filter(Boolean);
    const found = ['waiting', 'open', 'connecting'].map((wanted) => all.find((s) => s.state === wanted)).find(Boolean);
    if (!found || (found.state === this.#status.state && found.state !== 'waiting')) return;
    const { state, error, delayMs } = found;
    this.#status = { state, why: error && { message: error.message, reason: error.reason, status: error.status }, delayMs };
    for (const port of this.#ports) port.send({ status: this.#status });
  }
}
