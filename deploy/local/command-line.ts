// The words after `ambientd`, parsed: argv in, one command (or the problem with it) out. What is said here about
// options is what `--help` prints (usage.ts). Nothing is read from the environment.

export type Command =
  | { readonly kind: 'up'; readonly mesh: MeshOptions; readonly paths: readonly string[] }
  | { readonly kind: 'demo'; readonly mesh: MeshOptions; readonly length: 'until-stopped' | 'once' }
  | {
      readonly kind: 'exec';
      readonly mesh: string | undefined;
      readonly pod: PodReference;
      readonly argv: readonly string[];
    }
  | { readonly kind: 'status'; readonly mesh: string | undefined; readonly format: 'text' | 'json' }
  | { readonly kind: 'down'; readonly mesh: string | undefined }
  | { readonly kind: 'derive'; readonly paths: readonly string[]; readonly format: 'text' | 'json' }
  | { readonly kind: 'daemon'; readonly daemon: Daemon; readonly argv: readonly string[] }
  | { readonly kind: 'version'; readonly format: 'text' | 'json' }
  | { readonly kind: 'help'; readonly topic: string | undefined }
  | { readonly kind: 'problem'; readonly message: string };

/** What a cluster runs. */
export type Daemon = 'ztunnel' | 'waypoint' | 'controller';

export interface MeshOptions {
  readonly name: string;
  /** Undefined: 15900, or the next free one. */
  readonly port: number | undefined;
  /** `image=command`, as given. */
  readonly run: readonly string[];
  readonly capture: 'if-possible' | 'never';
}

export interface PodReference {
  readonly namespace: string;
  readonly name: string;
}

export const commandNames = [
  'up',
  'demo',
  'exec',
  'status',
  'down',
  'derive',
  'ztunnel',
  'waypoint',
  'controller',
  'version',
] as const;

interface Scanned {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly flags: ReadonlySet<string>;
  readonly positionals: readonly string[];
  readonly rest: readonly string[] | undefined;
}

export function parseCommandLine(argv: readonly string[]): Command {
  const [name, ...words] = argv;
  if (name === undefined || name === '--help' || name === '-h') return { kind: 'help', topic: undefined };
  if (name === 'help') return { kind: 'help', topic: words[0] };
  if (name === '--version' || name === '-v') return { kind: 'version', format: 'text' };
  if (name === 'proxy' && words[0] === 'ztunnel') return { kind: 'daemon', daemon: 'ztunnel', argv: words.slice(1) };
  if (name === 'proxy' && words[0] === 'waypoint') return { kind: 'daemon', daemon: 'waypoint', argv: words.slice(1) };
  if (!commandNames.some((known) => known === name)) {
    return problem(`unknown command "${name}"; one of ${commandNames.join(', ')} (see ambientd --help)`);
  }
  const separator = words.indexOf('--');
  const own = separator < 0 ? words : words.slice(0, separator);
  if (own.includes('--help') || own.includes('-h')) return { kind: 'help', topic: name };
  if (name === 'ztunnel' || name === 'waypoint' || name === 'controller')
    return { kind: 'daemon', daemon: name, argv: words };
  return parseOwnCommand(name, words);
}

function parseOwnCommand(name: string, words: readonly string[]): Command {
  const scanned = scan(words, optionsOf[name] ?? { values: [], flags: [] });
  if (typeof scanned === 'string') return problem(`${name}: ${scanned} (see ambientd ${name} --help)`);
  switch (name) {
    case 'up':
      return parseUp(scanned);
    case 'demo':
      return parseDemo(scanned);
    case 'exec':
      return parseExec(scanned);
    case 'status':
      return noArguments(name, scanned, { kind: 'status', mesh: last(scanned, '--name'), format: formatOf(scanned) });
    case 'down':
      return noArguments(name, scanned, { kind: 'down', mesh: last(scanned, '--name') });
    case 'derive':
      return parseDerive(scanned);
    default:
      return noArguments(name, scanned, { kind: 'version', format: formatOf(scanned) });
  }
}

const optionsOf: Record<string, { readonly values: readonly string[]; readonly flags: readonly string[] }> = {
  up: { values: ['--run', '--name', '--port'], flags: ['--no-capture'] },
  demo: { values: ['--name', '--port'], flags: ['--no-capture', '--once'] },
  exec: { values: ['--name'], flags: [] },
  status: { values: ['--name'], flags: ['--json'] },
  down: { values: ['--name'], flags: [] },
  derive: { values: [], flags: ['--json'] },
  version: { values: [], flags: ['--json'] },
};

function parseUp(scanned: Scanned): Command {
  if (scanned.positionals.length === 0) {
    return problem('up: no manifests given: name a file or folder of Kubernetes manifests (see ambientd up --help)');
  }
  const mesh = parseMeshOptions(scanned, 'mesh');
  if (typeof mesh === 'string') return problem(`up: ${mesh}`);
  return { kind: 'up', mesh, paths: scanned.positionals };
}

function parseDerive(scanned: Scanned): Command {
  if (scanned.positionals.length > 0) {
    return { kind: 'derive', paths: scanned.positionals, format: formatOf(scanned) };
  }
  return problem(
    'derive: nothing to derive from: name a file or folder of Kubernetes objects (see ambientd derive --help)',
  );
}

function parseDemo(scanned: Scanned): Command {
  const mesh = parseMeshOptions(scanned, 'demo');
  if (typeof mesh === 'string') return problem(`demo: ${mesh}`);
  return noArguments('demo', scanned, {
    kind: 'demo',
    mesh,
    length: scanned.flags.has('--once') ? 'once' : 'until-stopped',
  });
}

function parseExec(scanned: Scanned): Command {
  const [reference, ...others] = scanned.positionals;
  const argv = [...others, ...(scanned.rest ?? [])];
  const match = reference === undefined ? null : /^([^/]+)\/([^/]+)$/.exec(reference);
  const [, namespace, name] = match ?? [];
  if (namespace === undefined || name === undefined) {
    return problem(`exec: "${reference ?? ''}" is no pod: say NAMESPACE/POD (ambientd status lists them)`);
  }
  if (argv.length === 0) return problem(`exec: no command for ${reference}: add it after --`);
  return { kind: 'exec', mesh: last(scanned, '--name'), pod: { namespace, name }, argv };
}

function parseMeshOptions(scanned: Scanned, defaultName: string): MeshOptions | string {
  const name = last(scanned, '--name') ?? defaultName;
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    return `--name "${name}": use 1 to 32 lower-case letters, digits and dashes`;
  }
  const port = last(scanned, '--port');
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)) {
    return `--port "${port}" is no port: use a number from 1 to 65535`;
  }
  const run = scanned.values.get('--run') ?? [];
  const bad = run.find((entry) => !/^[^=]+=.+$/.test(entry));
  if (bad !== undefined) return `--run "${bad}": say image=command`;
  return {
    name,
    port: port === undefined ? undefined : Number(port),
    run,
    capture: scanned.flags.has('--no-capture') ? 'never' : 'if-possible',
  };
}

/** Options may stand before, between and after the arguments; everything after `--` is left alone. */
function scan(
  words: readonly string[],
  known: { readonly values: readonly string[]; readonly flags: readonly string[] },
) {
  const values = new Map<string, string[]>();
  const flags = new Set<string>();
  const positionals: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '--') return { values, flags, positionals, rest: words.slice(index + 1) };
    const equals = word.indexOf('=');
    const option = word.startsWith('--') && equals > 0 ? word.slice(0, equals) : word;
    if (!word.startsWith('-') || word === '-') positionals.push(word);
    else if (known.flags.includes(word)) flags.add(word);
    else if (known.values.includes(option)) {
      const value = option === word ? words[(index += 1)] : word.slice(equals + 1);
      if (value === undefined || value === '') return `${option} needs a value`;
      values.set(option, [...(values.get(option) ?? []), value]);
    } else return `unknown option "${word}"`;
  }
  return { values, flags, positionals, rest: undefined };
}

function noArguments(name: string, scanned: Scanned, command: Command): Command {
  const extra = [...scanned.positionals, ...(scanned.rest ?? [])][0];
  return extra === undefined ? command : problem(`${name}: unexpected "${extra}" (see ambientd ${name} --help)`);
}

function last(scanned: Scanned, option: string): string | undefined {
  return scanned.values.get(option)?.at(-1);
}

function formatOf(scanned: Scanned): 'text' | 'json' {
  return scanned.flags.has('--json') ? 'json' : 'text';
}

function problem(message: string): Command {
  return { kind: 'problem', message };
}
