// Runs one short command to its end: argv and input in, output or a MeshError that names the command and its words out.
// Also the environment that every child gets: system tools stand in folders that ordinary users lack in PATH.
import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { MeshError } from '../../common/errors.ts';

export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
const timeoutMs = 20_000;

/** PATH with our own Node first and the system's tools last. */
export function childEnv(): Record<string, string> {
  const own = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const path = [...new Set([dirname(process.execPath), ...own, ...systemFolders])].join(delimiter);
  const env = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(npm_|NODE_OPTIONS$|AMBIENTD_(?!RUN_FOLDER)|TAP)/.test(name)
      ? []
      : [[name, value] as const],
  );
  return { ...Object.fromEntries(env), PATH: path };
}

/** Never rejects for the command's own failure; `code` is null when it could not be started or was killed. */
export function tryCommand(argv: readonly string[], input = ''): Promise<CommandResult> {
  return new Promise((resolve) => {
    const [file = '', ...args] = argv;
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: childEnv(),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', (error) => resolve({ code: null, output: '', errors: error.message }));
    child.on('close', (code) => {
      resolve({ code, output: Buffer.concat(output).toString(), errors: Buffer.concat(errors).toString() });
    });
  });
}

/** @throws MeshError IO_FAILED with the command's own words */
export async function runCommand(argv: readonly string[], input = ''): Promise<string> {
  const result = await tryCommand(argv, input);
  if (result.code === 0) return result.output;
  const words = result.errors.trim().replaceAll('\n', ' | ') || 'it said nothing';
  throw new MeshError('IO_FAILED', `${argv.join(' ')} failed (exit code ${result.code ?? 'none'}): ${words}`);
}
