// The way of a database driver out of its process: a port of the loopback, from which each connection goes on to the database, through the HTTP
// proxy where there is one, and is counted byte for byte. Drivers close without reading the last answer; here all of it is read, as the mesh counts it.
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';

export interface DatabaseWay {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Connections that were opened, and of those that have closed their bytes. */
  tally(): Tally;
}

export interface Tally {
  readonly opened: number;
  readonly closed: number;
  /** From the database to the client, which the mesh calls sent. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  /** URL; undefined: the database is reached directly. */
  readonly proxy: string | undefined;
}

const longestConnectMs = 5_000;

export async function openDatabaseWay(database: DatabaseAddress): Promise<DatabaseWay> {
  let tally: Tally = { opened: 0, closed: 0, readBytes: 0, writtenBytes: 0 };
  const server = createServer({ allowHalfOpen: true }, async (driver) => {
    driver.on('error', () => {});
    try {
      const { onward, ofProxy } = await (database.proxy === undefined
        ? dial(database)
        : dialThrough(database.proxy, database));
      tally = { ...tally, opened: tally.opened + 1 };
      onward.once('close', () => {
        driver.destroy();
        tally = {
          ...tally,
          closed: tally.closed + 1,
          readBytes: tally.readBytes + onward.bytesRead - ofProxy.readBytes,
          writtenBytes: tally.writtenBytes + onward.bytesWritten - ofProxy.writtenBytes,
        };
      });
      join(driver, onward);
    } catch {
      driver.resetAndDestroy();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, tally: () => tally };
}

/** Whatever becomes of the driver, what the database still says is read to its end. */
function join(driver: Socket, onward: Socket): void {
  onward.on('error', () => {});
  driver.on('data', (chunk) => {
    if (onward.write(chunk)) return;
    driver.pause();
    onward.once('drain', () => driver.resume());
  });
  driver.once('end', () => onward.end());
  driver.once('close', () => onward.end());
  onward.on('data', (chunk) => {
    if (driver.destroyed || driver.write(chunk)) return;
    onward.pause();
    const goOn = (): void => void onward.resume();
    driver.once('drain', goOn);
    driver.once('close', goOn);
  });
  onward.once('end', () => driver.end());
}

interface Dialled {
  readonly onward: Socket;
  /** What was said to a proxy, and by it, before. */
  readonly ofProxy: Pick<Tally, 'readBytes' | 'writtenBytes'>;
}

async function dial({ host, port }: DatabaseAddress): Promise<Dialled> {
  const socket = connect({ host, port, allowHalfOpen: true });
  const late = setTimeout(() => socket.destroy(new Error(`no connection to ${host}:${port}`)), longestConnectMs);
  try {
    await once(socket, 'connect');
    return { onward: socket, ofProxy: { readBytes: 0, writtenBytes: 0 } };
  } finally {
    clearTimeout(late);
  }
}

async function dialThrough(proxy: string, { host, port }: DatabaseAddress): Promise<Dialled> {
  const { hostname, port: proxyPort } = new URL(proxy);
  const asking = request({
    host: hostname,
    port: proxyPort,
    method: 'CONNECT',
    path: `${host}:${port}`,
    agent: false,
    timeout: longestConnectMs,
  });
  asking.on('timeout', () => asking.destroy(new Error(`no connection to ${host}:${port}`)));
  asking.end();
  const [response, socket, head] = await once(asking, 'connect');
  if (response.statusCode !== 200) throw new Error(`the proxy refused ${host}:${port}: ${response.statusCode}`);
  socket.unshift(head);
  return {
    onward: socket,
    ofProxy: { readBytes: socket.bytesRead - head.length, writtenBytes: socket.bytesWritten },
  };
}
