// The layout contract: who may import whom, who may touch the outside world, how large a file or function may grow.
// Read the tables first; the tests below only apply them. The rules and their reasons stand in CONTRIBUTING.md.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Row of each folder in common: a file imports from its own row or a lower one. Files in common itself are row 0. */
const commonRows: Record<string, number> = {
  config: 0,
  net: 1,
  telemetry: 2,
  identity: 2,
  mesh: 2,
  zds: 2,
  tls: 3,
  http2: 3,
  grpc: 3,
  expressions: 3,
  hbone: 4,
  ca: 4,
  peer: 4,
  sources: 4,
  xds: 4,
  admin: 4,
};

/** Traffic features never import each other; they meet in app.ts (or in a folder that is not listed here). */
const features: Record<string, readonly string[]> = {
  ztunnel: ['inbound', 'outbound', 'passthrough', 'socks5', 'dns', 'capture'],
  waypoint: ['attributegen', 'filters', 'routes', 'upstream', 'listener'],
};

/** What a top-level folder may import from beside itself and common. */
const mayImport: Record<string, readonly string[]> = {
  common: [],
  ztunnel: ['common/'],
  waypoint: ['common/'],
  deploy: ['common/', 'ztunnel/capture/', 'waypoint/resources/'],
};

/** Packages that a daemon does not load at its start, for the memory that each would hold; a dynamic import may load one where it is used. */
const notLoaded: Record<string, readonly string[]> = {
  'ztunnel/main.ts': ['@grpc/grpc-js', 'protobufjs', '@peculiar/x509', '@kubernetes/client-node', 'undici'],
  'ztunnel/shards/shard-worker-process.ts': ['@grpc/grpc-js', 'protobufjs', '@peculiar/x509', 'undici'],
  'waypoint/main.ts': ['@grpc/grpc-js', '@peculiar/x509', '@kubernetes/client-node'],
};

const effects =
  /^(node:(net|tls|https?|http2|dgram|dns|fs|child_process|worker_threads)(\/|$)|koffi$|undici$|http2-wrapper$|@grpc\/)/;
const effectFile = /(-listener|-server|-client|-dialer|-socket|-watcher|-process|\/main)\.ts$/;
const maxFileLines = 400;
const maxFunctionLines = 60;
const topLevel = [
  '.ci',
  '.gitignore',
  '.npmrc',
  '.dockerignore',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'Dockerfile',
  'LICENSE',
  'README.md',
  'biome.json',
  'common',
  'deploy',
  'package-lock.json',
  'package.json',
  'test',
  'tsconfig.build.json',
  'tsconfig.json',
  'waypoint',
  'ztunnel',
];
const generated = ['.git', '.tap', 'dist', 'node_modules'];

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly imports: readonly { readonly target: string; readonly typeOnly: boolean; readonly dynamic: boolean }[];
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const imports = [...text.matchAll(/^(import|export)( type)?\b([^;'"]*?\bfrom )?\s*'([^']+)';/gm)].map((match) => {
    const target = match[4] ?? '';
    const resolved = target.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), target)) : target;
    return { target: resolved, typeOnly: match[2] !== undefined, dynamic: false };
  });
  const dynamic = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map((match) => ({
    target: posix.normalize(posix.join(posix.dirname(path), match[1] ?? '')),
    typeOnly: false,
    dynamic: true,
  }));
  return { path, text, lines: text.split('\n'), imports: [...imports, ...dynamic] };
}

const sources = Object.keys(mayImport).flatMap(filesUnder).map(readSource);
const tests = filesUnder('test').map(readSource);
const isLocal = (target: string): boolean => /^(common|ztunnel|waypoint|deploy|test)\//.test(target);
const segment = (path: string, index: number): string => path.split('/')[index] ?? '';
const rowOf = (path: string): number =>
  path.split('/').length === 2 ? 0 : (commonRows[segment(path, 1)] ?? Number.NaN);

/** Functions by their closing brace at the same indentation (the formatter guarantees it). */
function longFunctions(file: SourceFile): string[] {
  const found: string[] = [];
  for (const [start, line] of file.lines.entries()) {
    const match =
      /^(\s*)(export )?(async )?(function\*? (\w+)|(?:static |async |#|get |set )*(\w+)\(.*\{$|(?:const|let) (\w+) = (?:async )?\(.*=> \{$)/.exec(
        line,
      );
    if (match === null || /^\s*(if|for|while|switch|catch|return)\b/.test(line)) continue;
    const end = file.lines.findIndex((l, index) => index > start && l.startsWith(`${match[1]}}`));
    if (end - start + 1 > maxFunctionLines) found.push(`${file.path}:${start + 1} has ${end - start + 1} lines`);
  }
  return found;
}

t.test('the top level holds what it is meant to hold', async (t) => {
  const unexpected = readdirSync(root).filter((name) => !topLevel.includes(name) && !generated.includes(name));
  t.same(unexpected, []);
  for (const name of ['ztunnel', 'waypoint', 'common', 'deploy', 'test', 'Dockerfile', 'tsconfig.json']) {
    t.ok(existsSync(join(root, name)), `${name} is there`);
  }
});

t.test('dependencies point one way', async (t) => {
  const wrong: string[] = [];
  for (const { path, imports } of sources) {
    const top = segment(path, 0);
    for (const { target } of imports) {
      if (!isLocal(target) || target.startsWith(`${top}/`)) continue;
      const daemonMain = top === 'deploy' && /^(ztunnel|waypoint)\/main\.ts$/.test(target);
      if (!daemonMain && !mayImport[top]?.some((prefix) => target.startsWith(prefix)))
        wrong.push(`${path} -> ${target}`);
    }
  }
  t.same(wrong, []);
});

t.test('inside common a file imports from its own row or a lower one', async (t) => {
  const wrong: string[] = [];
  for (const { path, imports } of sources.filter((file) => file.path.startsWith('common/'))) {
    if (Number.isNaN(rowOf(path))) wrong.push(`${path}: its folder has no row`);
    for (const { target } of imports) {
      if (target.startsWith('common/') && rowOf(target) > rowOf(path)) wrong.push(`${path} -> ${target}`);
    }
  }
  t.same(wrong, []);
});

t.test('traffic features do not import each other', async (t) => {
  const wrong: string[] = [];
  for (const { path, imports } of sources) {
    const own = features[segment(path, 0)];
    if (!own?.includes(segment(path, 1))) continue;
    for (const { target } of imports) {
      const other = segment(target, 1);
      if (segment(target, 0) === segment(path, 0) && own.includes(other) && other !== segment(path, 1))
        wrong.push(`${path} -> ${target}`);
    }
  }
  t.same(wrong, []);
});

t.test('there is no import cycle', async (t) => {
  const graph = new Map(sources.map((file) => [file.path, file.imports.map((i) => i.target).filter(isLocal)]));
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) visit(path, []);
  t.same(cycles, []);
});

t.test('a daemon loads no more packages than it needs', async (t) => {
  const files = new Map(sources.map((file) => [file.path, file]));
  for (const [entry, banned] of Object.entries(notLoaded)) {
    t.ok(files.has(entry), `${entry} is there`);
    const wrong: string[] = [];
    const visited = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      if (visited.has(path)) return;
      visited.add(path);
      for (const { target, typeOnly, dynamic } of files.get(path)?.imports ?? []) {
        if (typeOnly || dynamic) continue;
        if (banned.includes(target)) wrong.push([...trail, path, target].join(' -> '));
        visit(target, [...trail, path]);
      }
    };
    visit(entry, []);
    t.same(wrong, [], entry);
  }
});

t.test('only files named for it touch the outside world', async (t) => {
  const wrong: string[] = [];
  for (const { path, text, imports } of sources) {
    for (const { target, typeOnly } of imports) {
      if (!typeOnly && effects.test(target) && !effectFile.test(`/${path}`)) wrong.push(`${path} imports ${target}`);
    }
    if (!path.endsWith('/main.ts') && /\bprocess\.(env|argv|exit)\b/.test(text) && !path.endsWith('-process.ts')) {
      wrong.push(`${path} reads process.env, argv or exits`);
    }
  }
  t.same(wrong, []);
});

t.test('files and functions stay small', async (t) => {
  const hot = (file: SourceFile): boolean => file.lines.slice(0, 5).some((line) => line.includes('Hot path:'));
  const long = sources.filter((file) => !hot(file));
  t.same(
    long
      .filter((file) => file.lines.length > maxFileLines + 1)
      .map((file) => `${file.path} has ${file.lines.length} lines`),
    [],
  );
  t.same(long.flatMap(longFunctions), []);
});

t.test('each file opens with what it is for, in at most four lines', async (t) => {
  const wrong = sources.filter(({ lines }) => {
    const end = lines.findIndex((line) => !line.startsWith('//'));
    return end < 1 || end > 4;
  });
  t.same(
    wrong.map((file) => file.path),
    [],
  );
});

t.test('the language stays within what reads well and erases', async (t) => {
  const banned: readonly (readonly [RegExp, string])[] = [
    [/\bas any\b|: any\b|<any>/, 'any'],
    [/@ts-(ignore|nocheck|expect-error)/, '@ts-ignore'],
    [/^\s*(export )?(const )?enum /m, 'enum'],
    [/\bconsole\.\w+\(/, 'console'],
    [/\b(TODO|FIXME|XXX)\b/, 'a note to do'],
    [/\b(class|function|interface|type|const) \w*(Manager|Helper|Utils?|Base)\b/, 'a name that says nothing'],
  ];
  const wrong = [...sources, ...tests]
    .filter(({ path }) => path !== 'test/layout.test.ts')
    .flatMap(({ path, text }) =>
      banned.filter(([pattern]) => pattern.test(text)).map(([, what]) => `${path}: ${what}`),
    );
  t.same(wrong, []);
});

t.test('no file only passes on what others export', async (t) => {
  const barrels = sources.filter(({ lines }) => {
    const code = lines.filter((line) => line.trim() !== '' && !line.startsWith('//'));
    return code.length > 0 && code.every((line) => /^export .* from /.test(line));
  });
  t.same(
    barrels.map((file) => file.path),
    [],
  );
});

t.test('every test stands where its subject stands', async (t) => {
  const special = /^test\/(netns|interop|conformance|fuzz|bench|support|end-to-end)\//;
  const wrong = tests
    .filter(({ path }) => path.endsWith('.test.ts') && path !== 'test/layout.test.ts' && !special.test(path))
    .filter(({ path }) => !existsSync(join(root, dirname(path).replace(/^test\//, ''))));
  t.same(
    wrong.map((file) => file.path),
    [],
  );
});
