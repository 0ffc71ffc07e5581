import t from 'tap';
import { createSyncLoop } from '../../../deploy/controller/sync-loop.ts';
import { collectLog } from '../../support/collected-log.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const farMs = 3_600_000;

t.test('starting resolves after the first run that succeeds; failures are told', async (t) => {
  const { loop, runs, failures, lines } = setUp((run) => {
    if (run === 1) throw new Error('not yet');
  });
  await loop.start();
  t.equal(runs(), 2);
  t.equal(failures(), 1);
  t.match(lines, [{ msg: 'synchronization failed', error: 'not yet' }]);
  await loop.close();
});

t.test('many changes at once cause one run', async (t) => {
  const { loop, runs, reaches } = setUp();
  await loop.start();
  for (let times = 0; times < 50; times += 1) loop.poke();
  await reaches(2);
  t.equal(runs(), 2);
  await loop.close();
});

t.test('a change during a run causes another after it', async (t) => {
  let open = (): void => {};
  const { loop, reaches, runs } = setUp((run) => {
    if (run === 2) return new Promise<void>((resolve) => (open = resolve));
    return undefined;
  });
  await loop.start();
  loop.poke();
  await reaches(2);
  loop.poke();
  loop.poke();
  open();
  await reaches(3);
  t.equal(runs(), 3);
  await loop.close();
});

t.test('a run comes when it is due', async (t) => {
  const { loop, reaches, runs } = setUp(() => {}, 0);
  await loop.start();
  await reaches(3);
  t.ok(runs() >= 3);
  await loop.close();
});

t.test('closing waits for the run and starts no other', async (t) => {
  let open = (): void => {};
  const { loop, runs, reaches } = setUp((run) => {
    if (run === 2) return new Promise<void>((resolve) => (open = resolve));
    return undefined;
  });
  await loop.start();
  loop.poke();
  await reaches(2);
  loop.poke();
  let state = 'closing';
  const closed = loop.close().then(() => (state = 'closed'));
  await pause(20);
  t.equal(state, 'closing');
  open();
  await closed;
  await pause(150);
  t.equal(runs(), 2);
});

function setUp(act: (run: number) => void | Promise<void> = () => {}, dueInMs = farMs) {
  let runs = 0;
  let failures = 0;
  const { log, lines } = collectLog();
  const loop = createSyncLoop({
    async run() {
      runs += 1;
      await act(runs);
      return Date.now() + dueInMs;
    },
    now: Date.now,
    onFailure: () => void (failures += 1),
    log: log.child({}, { serializers: { error: (error: Error) => error.message } }),
  });
  return {
    loop,
    runs: () => runs,
    failures: () => failures,
    lines,
    reaches: async (count: number) => {
      while (runs < count) await pause(10);
    },
  };
}
