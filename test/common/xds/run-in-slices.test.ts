// Long work in short slices: everything is done, others get their turn, and it can be ended.
import t from 'tap';
import { runInSlices } from '../../../common/xds/run-in-slices.ts';

function* count(to: number): Generator<number, string> {
  for (let step = 1; step <= to; step++) {
    const untilMs = performance.now() + 2;
    while (performance.now() < untilMs);
    yield step;
  }
  return 'done';
}

t.test('each step is told in order, and others run between them', async (t) => {
  const steps: number[] = [];
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const result = await runInSlices(count(20), (step) => void steps.push(step), new AbortController().signal);
  clearInterval(timer);
  t.equal(result, 'done');
  t.same(
    steps,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  t.ok(turns > 0);
});

t.test('it ends between two slices when asked to', async (t) => {
  const steps: number[] = [];
  const ending = new AbortController();
  const work = runInSlices(count(1_000), (step) => void steps.push(step), ending.signal);
  ending.abort(new Error('enough'));
  await t.rejects(work, { message: 'enough' });
  t.ok(steps.length < 100);
});
