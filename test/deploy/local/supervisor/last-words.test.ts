// What is quoted of a process that crashed.
import t from 'tap';
import { lastWords } from '../../../../deploy/local/supervisor/last-words.ts';

t.test('the line with the reason, not the end of the stack', async (t) => {
  const crash = [
    'throw err;',
    '^',
    '',
    "Error: Cannot find module 'x'",
    '    at Module.error (y:1)',
    '}',
    '',
    'Node.js v24.21.0',
  ];
  t.equal(lastWords(crash), "Error: Cannot find module 'x'");
  t.equal(lastWords(['one', 'two', '']), 'two');
  t.equal(lastWords([]), 'nothing');
});
