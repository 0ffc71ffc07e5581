// Bookinfo's database: a real MongoDB server of this machine (mongod, or FerretDB on SQLite) with two ratings in it, and data that nobody keeps.
// Environment in (POD_IP, PORT, PATH; MONGODB_SERVER names the program).
import { MongoClient } from 'mongodb';
import { findProgram, runScratchProgram, type ScratchProgram } from '../../shared/scratch-program-process.ts';

const port = Number(process.env['PORT'] || '27017');
const podIp = process.env['POD_IP'] ?? '127.0.0.1';
// Pods have a loopback of their own, or else are loopback addresses: either way this is not captured, and not counted.
const [listen, own] = podIp.startsWith('127.') ? [podIp, podIp] : ['0.0.0.0', '127.0.0.1'];
const stars = [{ rating: 5 }, { rating: 4 }];

async function fill(): Promise<void> {
  const client = new MongoClient(`mongodb://${own}:${port}/test`);
  try {
    await client.db().collection('ratings').insertMany(stars);
  } finally {
    await client.close();
  }
}

const server: ScratchProgram = {
  given: process.env['MONGODB_SERVER'],
  path: process.env['PATH'] ?? '',
  names: ['mongod', 'ferretdb'],
  remedy:
    'install MongoDB (mongod) or FerretDB 1 (ferretdb, https://github.com/FerretDB/FerretDB/releases), or name the program in MONGODB_SERVER',
  commandFor: (name, folder) =>
    name.startsWith('ferretdb')
      ? [
          '--handler=sqlite',
          `--sqlite-url=file:${folder}/`,
          `--state-dir=${folder}`,
          `--listen-addr=${listen}:${port}`,
          '--telemetry=disable',
          '--debug-addr=-',
          '--log-level=WARN',
        ]
      : ['--dbpath', folder, '--bind_ip', listen, '--port', `${port}`, '--nounixsocket', '--quiet'],
};

try {
  process.exit(await runScratchProgram(findProgram(server), server, fill));
} catch (error) {
  process.stderr.write(`mongodb cannot run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
