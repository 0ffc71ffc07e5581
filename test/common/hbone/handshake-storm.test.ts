// After a restart all peers come at once: every one is served, while what is open goes on.
import t from 'tap';
import { startEcho } from '../../support/live-echo.ts';
import { record } from '../../support/recording-sink.ts';
import { echo, startPool, startServer, targetAt } from '../../support/tunnel-ends.ts';

t.setTimeout(170_000);

const peers = 300;
const patient = { connectTimeoutMs: 120_000, handshakeTimeoutMs: 120_000, answerTimeoutMs: 120_000 };

t.test(`${peers} peers at once are all served, and an open tunnel goes on between their handshakes`, async (t) => {
  const { address, accepted, log } = await startServer(t, echo, { settings: { handshakeTimeoutMs: 120_000 } });
  const pool = startPool(t, patient);
  const live = await startEcho(pool, targetAt(address));
  await live.goesOn();
  const before = live.trips;
  /** Round trips of the open tunnel by the time at which each peer was served. */
  const tripsAt: number[] = [];
  await Promise.all(
    Array.from({ length: peers }, async (_, index) => {
      // A tunnel of its own.
      const target = targetAt(address, { nextHopUid: `cluster//Pod/shop/peer-${index}` });
      const { stream } = await pool.connect(target, 'echo:80', []);
      const sink = record(stream);
      stream.write(Buffer.from(`peer ${index}`));
      stream.end();
      await sink.closed();
      tripsAt.push(live.trips - before);
      t.equal(sink.text, `peer ${index}`);
    }),
  );
  t.equal(accepted.length, peers + 1);
  t.same(
    log.lines.filter(({ msg }) => msg === 'tunnel refused'),
    [],
  );
  const steps = new Set(tripsAt).size;
  t.ok(steps >= 10, `${live.trips - before} round trips meanwhile, told apart ${steps} times`);
  await live.finish();
});
