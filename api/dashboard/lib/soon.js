// Work that many things ask for, done once for all of them.

/**
 * A function that has `work()` done `ms` from now, once for all who ask until then. Who asks while it is done has it done once more afterwards, so the last
 * to ask is always heard and nobody puts it off. `now()` of it has it done at once, `stop()` ends what is not begun.
 */
export function soon(ms, work) {
  let timer, running = false, more = false;
  const run = async () => {
    clearTimeout(timer);
    timer = undefined;
    [running, more] = [true, false];
    try {
      await work();
    } finally {
      running = false;
      if (more) ask();
    }
  };
  function ask() {
    if (running) more = true;
    else timer ??= setTimeout(run, ms);
  }
  ask.now = () => {
    if (running) more = true;
    else run();
  };
  ask.stop = () => {
    clearTimeout(timer);
    [timer, more] = [undefined, false];
  };
  return ask;
}

/** Calls back when the next frame is drawn, or a little later where nobody looks. Returns how to stop that. */
export function atFrame(callback) {
  if (document.visibilityState !== 'visible') {
    const timer = setTimeout(callback, 250);
    return () => clearTimeout(timer);
  }
  const frame = requestAnimationFrame(callback);
  return () => cancelAnimationFrame(frame);
}
