import t from 'tap';
import { SendBacklog } from '../../../common/http2/send-backlog.ts';

const much = 64 * 1024;

t.test('nothing that waits is no congestion, at any time', async (t) => {
  const backlog = new SendBacklog();
  t.ok(backlog.isClear);
  t.equal(backlog.congestion(1e12), 'none');
  backlog.wait(much, 'some', 0);
  t.notOk(backlog.isClear);
  backlog.clear();
  t.ok(backlog.isClear);
  t.equal(backlog.congestion(1e12), 'none');
});

t.test('a large write is busy after 10 ms, a small one after 250, either is stuck after a second', async (t) => {
  for (const [dataBytes, rest, busyMs] of [
    [much, 'none', 10],
    [0, 'some', 10],
    [much - 1, 'none', 250],
    [0, 'none', 250],
  ] as const) {
    const backlog = new SendBacklog();
    backlog.wait(dataBytes, rest, 5_000);
    t.equal(backlog.congestion(5_000 + busyMs - 1), 'none');
    t.equal(backlog.congestion(5_000 + busyMs), 'busy');
    t.equal(backlog.congestion(5_999), 'busy');
    t.equal(backlog.congestion(6_000), 'stuck');
  }
});

t.test('large writes one after the other are busy together, though each takes little time', async (t) => {
  const backlog = new SendBacklog();
  for (let nowMs = 0; nowMs < 2_000; nowMs += 4) {
    backlog.wait(much, 'none', nowMs);
    t.equal(backlog.congestion(nowMs + 3), nowMs < 8 ? 'none' : 'busy');
  }
});

t.test('small writes one after the other are not, and neither are large ones after a pause', async (t) => {
  for (const dataBytes of [0, 1_000, much]) {
    const backlog = new SendBacklog();
    for (let nowMs = 0; nowMs < 2_000; nowMs += 9) {
      backlog.wait(dataBytes, 'none', nowMs);
      if (dataBytes === much) {
        t.equal(backlog.congestion(nowMs + 8), 'none');
        backlog.clear();
      }
    }
    t.equal(backlog.congestion(2_000), 'none');
  }
});

t.test('a window that is used up is stuck although other frames still go out', async (t) => {
  const backlog = new SendBacklog();
  backlog.wait(much, 'some', 0);
  for (let nowMs = 100; nowMs <= 1_000; nowMs += 100) backlog.wait(0, 'some', nowMs);
  t.equal(backlog.congestion(1_000), 'stuck');
  backlog.wait(1, 'some', 1_001);
  t.equal(backlog.congestion(1_002), 'busy', 'until it moves');
});
