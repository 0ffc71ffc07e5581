import t from 'tap';
import { HandshakePace } from '../../../common/tls/handshake-pace.ts';

/** Runs after the promises of this turn and after what was scheduled for it before. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('so many begin in one turn, the others in later ones, in the order in which they asked', async (t) => {
  const pace = new HandshakePace(3);
  const begun: number[] = [];
  for (let each = 1; each <= 8; each += 1) void pace.begin().then(() => begun.push(each));
  const seen: number[] = [];
  while (begun.length < 8) {
    await turn();
    seen.push(begun.length);
  }
  t.strictSame(begun, [1, 2, 3, 4, 5, 6, 7, 8]);
  t.strictSame(seen.slice(0, 2), [6, 8], 'three when they asked, three in the next turn, then the rest');
  t.equal(pace.waiting, 0);
});

t.test('who comes alone begins at once', async (t) => {
  const pace = new HandshakePace(1);
  for (let each = 0; each < 3; each += 1) {
    let begun = false;
    void pace.begin().then(() => {
      begun = true;
    });
    await Promise.resolve();
    t.ok(begun);
    await turn();
    await turn();
  }
});

t.test('who never ends its handshake keeps nobody out', async (t) => {
  const pace = new HandshakePace(2);
  let begun = 0;
  for (let each = 0; each < 500; each += 1) {
    void pace.begin().then(() => {
      begun += 1;
    });
  }
  for (let turns = 0; turns < 600 && begun < 500; turns += 1) await turn();
  t.equal(begun, 500);
});
