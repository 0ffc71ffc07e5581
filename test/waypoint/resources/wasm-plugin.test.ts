import t from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { generateAttributes } from '../../../waypoint/attributegen/attribute-generator.ts';
import { generatorsFor, parseWasmPlugin, type WasmPlugin } from '../../../waypoint/resources/wasm-plugin.ts';

const traffic = {
  gateway: 'gate',
  namespace: 'shop',
  rootNamespace: 'istio-system',
  service: { name: 'web', namespace: 'shop' },
};

function parse(spec: string, name = 'plugin') {
  const text = `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: ${name}, namespace: shop }
spec:
${spec.replace(/^/gm, '  ')}`;
  const [object] = parseManifest(text, 'p.yaml').objects;
  if (object === undefined) throw new Error('no object');
  const { plugin, problems } = parseWasmPlugin(object);
  return { plugin, problems: problems.map(formatResourceProblem) };
}

const toGate = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: gate }]';
const books = `
pluginConfig:
  attributes:
    - output_attribute: istio_operationId
      match:
        - { value: ListBooks, condition: request.method == 'GET' && request.url_path == '/books' }
        - { value: GetBook, condition: "request.url_path.matches('^/shelves/[[:alnum:]]*/books/[[:alnum:]]*$')" }
        - { value: Other, condition: "" }`;

function generated(plugins: readonly (WasmPlugin | undefined)[], request: Record<string, string>, port = 80): unknown {
  const state = new Map<string, string>();
  const generators = generatorsFor(
    plugins.filter((plugin) => plugin !== undefined),
    traffic,
    port,
  );
  const failures = generateAttributes(generators, () => ({ request: new Map(Object.entries(request)) }), state);
  return { ...Object.fromEntries(state), ...(failures > 0 ? { failures } : {}) };
}

t.test('attributegen is recognised', async (t) => {
  const urls = [
    'https://storage.googleapis.com/istio-build/proxy/attributegen-359dcd3a19f109c50e97517fe6b1e2676e870c4d.wasm',
    'file:///opt/attributegen.wasm',
    'oci://ghcr.io/istio/attributegen:1.16',
    'gcr.io/istio/attributegen@sha256:00',
    'https://example.com/attributegen-abc.wasm?token=1',
  ];
  for (const url of urls) t.equal(parse(`url: ${url}\n${toGate}${books}`).plugin?.generators.length, 1, url);
  t.ok(parse(`url: oci://example.com/mine:1\npluginName: attributegen\n${toGate}${books}`).plugin, 'by its name');
});

t.test('another module is not run, and that is said with the name of the object', async (t) => {
  for (const url of ['oci://example.com/filter:v1', 'https://example.com/not-attributegen/x.wasm']) {
    const { plugin, problems } = parse(`url: ${url}\n${toGate}`);
    t.equal(plugin, undefined);
    t.match(problems, [/^p.yaml:2: WasmPlugin shop\/plugin: spec.url is .*: WebAssembly modules are not run/]);
  }
});

t.test('the first condition that is true gives the value', async (t) => {
  const { plugin } = parse(`url: file:///attributegen.wasm\n${toGate}${books}`);
  t.strictSame(generated([plugin], { method: 'GET', url_path: '/books' }), { 'wasm.istio_operationId': 'ListBooks' });
  t.strictSame(generated([plugin], { method: 'GET', url_path: '/shelves/1/books/2' }), {
    'wasm.istio_operationId': 'GetBook',
  });
  t.strictSame(
    generated([plugin], { method: 'PUT', url_path: '/' }),
    { 'wasm.istio_operationId': 'Other' },
    'an empty condition is the default',
  );
});

t.test('a condition that fails or is not boolean stops its generator only', async (t) => {
  const { plugin } = parse(`url: file:///attributegen.wasm\n${toGate}
pluginConfig:
  attributes:
    - outputAttribute: a
      match: [{ value: x, condition: request.nothing == 'x' }, { value: y }]
    - outputAttribute: b
      match: [{ value: x, condition: request.method }, { value: y }]
    - outputAttribute: c
      match: [{ value: z }]`);
  t.strictSame(generated([plugin], { method: 'GET' }), { 'wasm.c': 'z', failures: 2 });
});

t.test('a condition that does not compile discards all generators, and names object and expression', async (t) => {
  const { plugin, problems } = parse(`url: file:///attributegen.wasm\n${toGate}
pluginConfig:
  attributes:
    - output_attribute: a
      match: [{ value: x, condition: "request.method ==" }]`);
  t.equal(plugin, undefined);
  t.match(problems, [
    /WasmPlugin shop\/plugin: spec.pluginConfig.attributes\[0\].match\[0\].condition does not compile: request.method ==: /,
  ]);
});

t.test('a malformed field is named', async (t) => {
  t.match(parse(toGate).problems, [/spec.url is missing/]);
  t.match(parse(`url: file:///attributegen.wasm\ntargetRefs: [{ kind: Pod, name: a }]`).problems, [
    /targetRefs\[0\].kind is "Pod"/,
  ]);
  t.match(parse('url: file:///attributegen.wasm\npluginConfig: { attributes: 3 }').problems, [
    /attributes is 3, not a list/,
  ]);
});

t.test('a plugin sees the traffic it is attached to', async (t) => {
  const setA = (rest: string, name = 'p'): WasmPlugin | undefined =>
    parse(
      `url: file:///attributegen.wasm\n${rest}\npluginConfig: { attributes: [{ output_attribute: a, match: [{ value: ${name} }] }] }`,
      name,
    ).plugin;
  const ofService = 'targetRefs: [{ group: "", kind: Service, name: web }]';
  t.strictSame(generated([setA('')], {}), {}, 'a waypoint takes none without targetRefs');
  t.strictSame(generated([setA('selector: { matchLabels: { app: web } }')], {}), {});
  t.strictSame(generated([setA(toGate.replace('gate }', 'other }'))], {}), {});
  t.strictSame(generated([setA(ofService)], {}), { 'wasm.a': 'p' });
  t.strictSame(generated([setA(`${toGate}\nmatch: [{ mode: CLIENT }]`)], {}), {}, 'a waypoint is a server');
  t.strictSame(generated([setA(`${toGate}\nmatch: [{ ports: [{ number: 81 }] }]`)], {}), {});
  t.strictSame(generated([setA(`${toGate}\nmatch: [{ ports: [{ number: 81 }] }]`)], {}, 81), { 'wasm.a': 'p' });
  const order = [
    setA(`${toGate}\nphase: STATS`, 'late'),
    setA(`${toGate}\nphase: AUTHN`, 'early'),
    setA(`${toGate}\nphase: AUTHN\npriority: 9`, 'first'),
  ];
  t.strictSame(generated(order, {}), { 'wasm.a': 'late' }, 'the last in the order of phases wins');
});
