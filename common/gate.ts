// Something that many wait for once, and that then stands open. Out: its state, for whoever need not wait, and a promise.

export interface Gate {
  readonly state: 'shut' | 'open';
  readonly opened: Promise<void>;
}

export interface OwnGate extends Gate {
  open(): void;
}

export function createGate(): OwnGate {
  const { promise, resolve } = Promise.withResolvers<void>();
  let state: Gate['state'] = 'shut';
  return {
    get state() {
      return state;
    },
    opened: promise,
    open() {
      state = 'open';
      resolve();
    },
  };
}
