// Programs that run inside a pod's network namespace: a child takes the namespace its parent's thread stands in at fork.
// In: a namespace and a command line. Out: what the program wrote, or the running child. Used for ip, nft and pods' processes.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { MeshError } from '../errors.ts';
import type { NetworkNamespace } from './network-namespace-socket.ts';
import { errnoOf } from './socket-failure.ts';

/** Program and arguments. */
export type CommandLine = readonly [string, ...string[]];

export interface RunOptions {
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string;
  /** Default 10 000; then the program is killed. */
  readonly timeoutMs?: number;
}

const maxOutputBytes = 1_048_576;

/** For long-running programs. The caller ends it; 'error' is emitted when it cannot be started. */
export function spawnInNamespace(
  namespace: NetworkNamespace,
  [program, ...args]: CommandLine,
  options: SpawnOptions = {},
): ChildProcess {
  return namespace.run(() => spawn(program, args, options));
}

/**
 * Runs a program to its end.
 * @returns what it wrote to standard output, at most 1 MiB
 * @throws MeshError IO_FAILED with what it wrote to standard error, when it fails, hangs or cannot be started
 */
export async function runInNamespace(
  namespace: NetworkNamespace,
  command: CommandLine,
  { input, timeoutMs = 10_000 }: RunOptions = {},
): Promise<string> {
  const name = command.join(' ');
  const child = namespace.run(() => spawn(command[0], command.slice(1), { stdio: 'pipe' }));
  // Not node's own option `timeout`: its timer outlives a program that could not be started.
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const output = collect(child.stdout);
  const complaint = collect(child.stderr);
  // A program that ends without reading its input breaks the pipe; its exit code says the rest.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return await new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      clearTimeout(timer);
      const missing = ['ENOENT', 'EACCES'].includes(errnoOf(cause) ?? '');
      const reason = missing ? 'is it installed, in PATH and executable?' : cause.message;
      reject(new MeshError('IO_FAILED', `${name} could not be started: ${reason}`, { cause }));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(output());
      const end = code === null ? `was ended by ${signal} (limit ${timeoutMs} ms)` : `failed with exit code ${code}`;
      reject(new MeshError('IO_FAILED', `${name} ${end}: ${complaint().trim() || 'it gave no reason'}`));
    });
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maxOutputBytes) chunks.push(chunk.subarray(0, maxOutputBytes - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString();
}
