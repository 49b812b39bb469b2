// The module against a node that misbehaves; see scripts_test.go for how. Run by TestModuleInNode.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfmanError, connection, ticket, view, watch } from './confman.js';

const { FAKE, DEAD } = process.env;
const apiKey = 'fake-key';
const last = 40;
const transports = typeof WebSocket === 'undefined' ? ['sse'] : ['sse', 'websocket'];
const limit = { timeout: 15_000 };
const webSocket = { ...limit, skip: transports.length < 2 && 'no WebSocket in this Node' };
const all = (from, to = last) => Array.from({ length: to - from }, (_, i) => from + 1 + i);

/** Reads a watch up to an event, and says what it saw and how often it connected. */
async function read(options, until = last) {
  const seen = { indexes: [], frames: [], states: [] };
  const w = watch({ apiKey, after: 'start', idleMs: 500, onState: (s) => seen.states.push(s), ...options });
  for await (const frame of w) {
    seen.frames.push(frame.frame);
    if (frame.frame === 'event') seen.indexes.push(frame.event.index);
    if (frame.frame === 'event' && frame.event.index === until) break;
  }
  seen.position = w.position;
  seen.connections = seen.states.filter((s) => s.state === 'connecting').length;
  return seen;
}

for (const transport of transports) {
  for (const script of ['cut', 'twice', 'gap', 'rewind', 'elsewhere', 'garbage', 'silent', 'goodbye', 'lagging']) {
    test(`every event comes exactly once over ${transport} when the stream has: ${script}`, limit, async () => {
      const seen = await read({ url: `${FAKE}/${script}`, namespace: `${transport}-${script}`, transport });
      assert.deepEqual(seen.indexes, all(0));
      assert.ok(seen.connections > 1, 'nothing went wrong?');
      assert.match(seen.position, /^40-/);
      assert.equal(seen.states.at(-1).state, 'closed');
    });
  }

  test(`a reset ends a watch over ${transport} with a typed error`, limit, async () => {
    const failing = read({ url: `${FAKE}/reset`, transport });
    await assert.rejects(failing, (e) => e instanceof ConfmanError && e.reason === 'compacted' && /^9-/.test(e.oldest) && /^40-/.test(e.newest) && e.status === undefined);
  });

  test(`a wrong key ends a watch over ${transport} with the problem`, limit, async () => {
    const failing = read({ url: `${FAKE}/plain`, transport, apiKey: 'wrong' });
    await assert.rejects(failing, (e) => e.status === 401 && e.reason === 'unauthenticated' && e.problem.status === 401);
  });

  test(`progress moves the position over ${transport} and is no gap`, limit, async () => {
    const seen = await read({ url: `${FAKE}/progress`, transport });
    assert.deepEqual(seen.indexes, [...all(0, 10), 14, ...all(29)]);
  });

  test(`a snapshot that is cut or short is taken anew over ${transport}`, limit, async () => {
    const seen = await read({ url: `${FAKE}/snapshot`, transport, after: 'snapshot', namespace: transport });
    const begins = seen.frames.lastIndexOf('snapshot');
    assert.deepEqual(seen.frames.slice(begins, begins + 12), ['snapshot', ...Array(9).fill('entry'), 'snapshot-end', 'event']);
    assert.equal(seen.connections, 3);
    assert.deepEqual(seen.indexes, all(20));
  });

  test(`a ticket that has expired is replaced over ${transport}`, limit, async () => {
    let asked = 0;
    const getTicket = async () => `ticket-of-mine-${++asked}`;
    const seen = await read({ url: `${FAKE}/ticket-expires`, transport, apiKey: undefined, getTicket, namespace: transport });
    assert.deepEqual(seen.indexes, all(0));
    assert.equal(asked, 2);
  });

  test(`a ticket that nobody renews is enough over ${transport}`, limit, async () => {
    const seen = await read({ url: `${FAKE}/ticket`, transport, apiKey: undefined, ticket: 'ticket-mine' });
    assert.deepEqual(seen.indexes, all(0));
  });

  test(`a ticket that never worked is not asked for again over ${transport}`, limit, async () => {
    let asked = 0;
    const getTicket = async () => ({ ticket: `ticket-of-mine-${++asked}` });
    const failing = read({ url: `${FAKE}/ticket-bad`, transport, apiKey: undefined, getTicket });
    await assert.rejects(failing, (e) => e.status === 401);
    assert.equal(asked, 1);
  });

  test(`the next node is asked over ${transport} where one is down`, limit, async () => {
    const seen = await read({ urls: [DEAD, `${FAKE}/plain`], transport });
    assert.deepEqual(seen.indexes, all(0));
    assert.equal(seen.states.find((s) => s.state === 'open').url, `${FAKE}/plain`);
    assert.ok(seen.states.find((s) => s.state === 'waiting').error);
  });

  test(`a signal and close() end a watch over ${transport} without an error, also while it waits`, limit, async () => {
    const controller = new AbortController();
    const frames = [];
    for await (const frame of watch({ url: `${FAKE}/plain`, apiKey, after: 'start', transport, signal: controller.signal })) {
      frames.push(frame);
      if (frames.length === 5) controller.abort();
    }
    assert.equal(frames.length, 5);
    const w = watch({ url: `${FAKE}/plain`, apiKey, after: '40', transport });
    for await (const frame of w) {
      assert.equal(frame.frame, 'resumed');
      setTimeout(() => w.close(), 10);
    }
    const never = watch({ url: DEAD, apiKey, transport, onState: ({ state }) => { if (state === 'waiting') never.close(); } });
    for await (const frame of never) assert.fail(frame);
  });

  test(`a view over ${transport} shows transactions whole, also when cut inside one`, limit, async () => {
    const batches = [];
    const live = view({ url: `${FAKE}/torn`, apiKey, transport, namespace: 'app', onchange: (changes) => batches.push(changes.map((c) => c.key)) });
    await live.ready;
    assert.equal(live.size, 9);
    assert.equal(live.get('k3').value, 'v13');
    await until(() => batches.flat().length >= 9 + 18); // 20 to 40; k0 is deleted where it is not
    assert.deepEqual(batches.filter((keys) => keys.includes('k5')), [batches[0], ['k5', 'k6', 'k7'], ['k5', 'k6', 'k7']]);
    assert.equal(live.get('k3').value, 'v33');
    assert.deepEqual(['value', 'version', 'description', 'tags'].map((member) => live.get('k4')[member]), ['v34', 34, 'd34', ['t']]); // rolled back
    assert.equal(live.get('k0'), undefined);
    assert.match(live.status.position, /^40-/);
    assert.equal(live.status.state, 'open');
    live.close();
    await live.done;
  });

  test(`a view over ${transport} whose position is lost takes a new snapshot`, limit, async () => {
    const batches = [];
    const live = view({ url: `${FAKE}/lost`, apiKey, transport, namespace: 'app', onchange: (changes) => batches.push(changes) });
    await until(() => live.size === 3);
    assert.deepEqual([...live.entries()].map((e) => [e.key, e.version]).sort(), [['k1', 21], ['k8', 28], ['k9', 19]]);
    const changed = batches.at(-1).map((c) => [c.key, c.new?.version]).sort();
    assert.deepEqual(changed, [['k2', undefined], ['k3', undefined], ['k4', undefined], ['k5', undefined], ['k6', undefined], ['k7', undefined], ['k8', 28]]);
    live.close();
    await live.done;
  });
}

test('every event comes exactly once when a stream ends without a word', limit, async () => {
  const seen = await read({ url: `${FAKE}/ends` });
  assert.deepEqual(seen.indexes, all(0));
  assert.equal(seen.connections, 8);
});

test('a position that is too old ends a watch with where it could begin', limit, async () => {
  await assert.rejects(read({ url: `${FAKE}/gone`, after: '3' }), (e) => e.status === 410 && e.reason === 'compacted' && /^5-/.test(e.oldest) && /too old/.test(e.message));
});

test('a node that is busy is asked again', limit, async () => {
  const seen = await read({ url: `${FAKE}/busy` });
  assert.deepEqual(seen.indexes, all(0));
  assert.deepEqual(seen.states.filter((s) => s.state === 'waiting').map((s) => s.error.status), [503, 429]);
});

test('a view that may not be rejects', limit, async () => {
  const live = view({ url: `${FAKE}/plain`, apiKey: 'wrong', namespace: 'app' });
  await assert.rejects(live.ready, { status: 401 });
  await assert.rejects(live.done, { status: 401 });
  assert.equal(live.status.state, 'closed');
  assert.equal(live.status.error.status, 401);
});

test('a ticket has a URL for an EventSource', limit, async () => {
  const made = await ticket({ urls: [DEAD, `${FAKE}/ticket`], apiKey, namespace: ['a', 'b'] });
  assert.match(made.url, new RegExp(`^${FAKE}/ticket/api/v1/watch\\?namespace=a&namespace=b&ticket=ticket-\\d+$`));
  const response = await fetch(`${made.url}&after=start`);
  assert.equal(response.status, 200);
  await response.body.cancel();
});

test('without an address there is no watch', () => {
  assert.throws(() => watch({ apiKey }), /url or urls/);
});

test('several watches share a WebSocket, and each goes on where it was', webSocket, async () => {
  const shared = connection({ url: `${FAKE}/tail`, apiKey, idleMs: 2_000 });
  const collect = async (namespace) => {
    const indexes = [];
    for await (const frame of shared.watch({ namespace, after: 'start' })) {
      if (frame.frame !== 'event') continue;
      indexes.push(frame.event.index);
      if (frame.event.index === last) return indexes;
    }
  };
  const got = await Promise.all(['cut', 'gap', 'plain-one', 'plain-two'].map(collect));
  for (const indexes of got) assert.deepEqual(indexes, all(0));
  const quiet = shared.watch({ after: '40' });
  setTimeout(() => shared.close(), 50);
  for await (const frame of quiet) assert.equal(frame.frame, 'resumed');
});

test('a slow reader of a WebSocket misses nothing', webSocket, async () => {
  const indexes = [];
  let [connections, overflow] = [0, null];
  const opens = (url, protocols, headers) => {
    const ws = new WebSocket(url, { protocols, headers });
    overflow = new Promise((resolve) => { ws.addEventListener('close', resolve); });
    connections += 1;
    return ws;
  };
  for await (const frame of watch({ url: `${FAKE}/flood`, apiKey, after: 'start', transport: 'websocket', webSocket: opens })) {
    if (frame.frame !== 'event') continue;
    indexes.push(frame.event.index);
    if (frame.event.index === 1) await overflow; // the reader takes nothing until the connection is given up
    if (frame.event.index === 5_000) break;
  }
  assert.deepEqual(indexes, all(0, 5_000));
  assert.ok(connections > 1, 'everything was kept in memory');
});

test('nothing is sent by a WebSocket that is being closed', webSocket, async () => {
  const [sockets, late] = [[], []];
  const opens = (url, protocols, headers) => {
    const ws = new WebSocket(url, { protocols, headers });
    const send = ws.send.bind(ws);
    ws.send = (message) => (ws.readyState === WebSocket.OPEN ? send(message) : late.push(message)); // browsers log it
    sockets.push(ws);
    return ws;
  };
  const shared = connection({ url: `${FAKE}/tail`, apiKey, webSocket: opens });
  for await (const frame of shared.watch({ namespace: 'left', after: 'start' })) {
    if (frame.frame !== 'event') continue;
    sockets.at(-1).close();
    break;
  }
  for await (const frame of shared.watch({ namespace: 'begun', after: 'start' })) {
    if (frame.event?.index === 1) sockets.at(-1).close();
    if (frame.event?.index === last) break;
  }
  assert.deepEqual(late, []);
  assert.equal(sockets.length, 3);
});

test('a watch that has ended leaves nothing behind', limit, async () => {
  const timers = () => process.getActiveResourcesInfo().filter((r) => r === 'Timeout').length;
  const before = timers();
  for await (const frame of watch({ url: `${FAKE}/plain`, apiKey, after: 'start' })) if (frame.frame === 'event') break;
  const webSocket = (url, protocol, headers) => { // as the package ws: what was on its way still comes after close()
    assert.deepEqual([url, protocol, headers], ['ws://node/api/v1/watch?', 'confman.watch.v1', { 'X-Api-Key': apiKey }]);
    const tell = (frame) => ws.onmessage({ data: JSON.stringify({ watch: 'w1', ...frame }) });
    const ws = {
      send: (op) => { if (JSON.parse(op).op === 'watch') tell({ frame: 'resumed', after: '7-00000000' }); },
      close: () => setImmediate(tell, { frame: 'reset', reason: 'unwatched' }),
    };
    setImmediate(() => ws.onopen());
    return ws;
  };
  for await (const frame of watch({ url: 'http://node', apiKey, transport: 'websocket', webSocket })) if (frame.after) break;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(timers(), before);
});

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
