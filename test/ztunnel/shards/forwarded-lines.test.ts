import t from 'tap';
import { createForwardedLines } from '../../../ztunnel/shards/forwarded-lines.ts';

t.test('lines that find no room are dropped and counted, until those before have been written', (t) => {
  const sent: { lines: readonly string[]; dropped: number }[] = [];
  const forwarded = createForwardedLines((lines, dropped) => sent.push({ lines, dropped }), 20);
  for (const line of ['0123456789\n', '01234567\n', 'no room\n', 'none\n']) forwarded.write(line);
  forwarded.flush();
  t.same(sent, [{ lines: ['0123456789\n', '01234567\n'], dropped: 2 }]);
  forwarded.write('still none\n');
  forwarded.taken(20);
  forwarded.write('again\n');
  forwarded.flush();
  t.same(sent[1], { lines: ['again\n'], dropped: 1 });
  forwarded.flush();
  t.equal(sent.length, 2, 'nothing to tell');
  t.end();
});

t.test('lines are gathered for a moment', async (t) => {
  const sent = await new Promise<readonly string[]>((resolve) => {
    const forwarded = createForwardedLines(resolve);
    forwarded.write('a\n');
    forwarded.write('b\n');
  });
  t.same(sent, ['a\n', 'b\n']);
});
