import t from 'tap';
import { normalizePath } from '../../../waypoint/http/normalize-path.ts';

t.test('a path is normalized', async (t) => {
  const table: [string, string, string][] = [
    ['/healthz', '/healthz', 'when it is plain, not at all'],
    ['/a/./b/../c', '/a/c', 'by removing dot segments'],
    ['/../../etc', '/etc', 'never above the root'],
    ['/a/..', '/', 'to the root'],
    ['/a/b/.', '/a/b/', 'keeping the last slash'],
    ['/%2e%2E/x', '/x', 'also when the dots are escaped'],
    ['/%41%7e%2F%3f', '/A~%2F%3f', 'by decoding unreserved characters only'],
    ['\\x', '\\x', 'only when it begins with a slash'],
    ['/a\\b', '/a/b', 'with slashes for backslashes'],
    ['/a//b', '/a//b', 'without merging slashes'],
    ['/a#b?c', '/a', 'without a fragment'],
    ['/a/../b?x=../%2e', '/b?x=../%2e', 'leaving the query alone'],
    ['*', '*', 'unless it is an asterisk'],
  ];
  for (const [given, expected, how] of table) t.equal(normalizePath(given), expected, how);
});
