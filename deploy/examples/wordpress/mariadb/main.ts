// WordPress' database: a real MariaDB server of this machine with two posts in it, open to everyone, and data that nobody keeps.
// Environment in (POD_IP, PORT, PATH; MARIADB_SERVER names the program).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, runScratchProgram, type ScratchProgram } from '../../shared/scratch-program-process.ts';

const podIp = process.env['POD_IP'] ?? '127.0.0.1';
const posts = `CREATE DATABASE wordpress;
CREATE TABLE wordpress.posts (id INT PRIMARY KEY, title VARCHAR(200));
INSERT INTO wordpress.posts VALUES (1, 'Hello world!'), (2, 'Sample Page');
`;

const server: ScratchProgram = {
  given: process.env['MARIADB_SERVER'],
  path: process.env['PATH'] ?? '',
  names: ['mariadbd', 'mysqld'],
  remedy: 'install MariaDB (on Debian: apt install mariadb-server-core), or name the program in MARIADB_SERVER',
  commandFor(_, folder) {
    const script = join(folder, 'posts.sql');
    writeFileSync(script, posts);
    const user = process.getuid?.() === 0 ? ['--user=root'] : [];
    return [
      '--no-defaults',
      ...user,
      // There are no accounts in an empty folder: whoever the mesh lets in may read.
      '--skip-grant-tables',
      `--datadir=${folder}`,
      `--init-file=${script}`,
      `--bind-address=${podIp}`,
      `--port=${process.env['PORT'] || '3306'}`,
      `--socket=${join(folder, 's')}`,
      `--pid-file=${join(folder, 'pid')}`,
      '--innodb-buffer-pool-size=8M',
      '--innodb-log-file-size=4M',
    ];
  },
};

try {
  process.exit(await runScratchProgram(findProgram(server), server, async () => {}));
} catch (error) {
  process.stderr.write(`mariadb cannot run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
