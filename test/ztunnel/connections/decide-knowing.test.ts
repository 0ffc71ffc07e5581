// A decision over a mesh that is known in parts: what it misses is asked for before it counts.
import t from 'tap';
import type { DemandOutcome } from '../../../common/mesh/mesh-demand.ts';
import { createMeshIndex } from '../../../common/mesh/mesh-index.ts';
import type { MeshView } from '../../../common/mesh/mesh-view.ts';
import type { Workload } from '../../../common/mesh/workload.ts';
import { createDecideKnowing } from '../../../ztunnel/connections/decide-knowing.ts';
import { at, aWorkload } from '../../support/mesh-objects.ts';

const answered: DemandOutcome = { kind: 'answered' };
const pod = (name: string, address: string): Workload => aWorkload({ name, addresses: [address] });
const nameAt = (mesh: MeshView, ip: string) => mesh.workloadByAddress('', at(ip))?.name;

function setUp(answer: (names: readonly string[]) => readonly Workload[] | DemandOutcome) {
  const asked: string[] = [];
  const mesh = createMeshIndex();
  const nothing = { services: [], policies: [], removedWorkloads: [], removedServices: [], removedPolicies: [] };
  const learn = (workloads: readonly Workload[]) => mesh.apply({ ...nothing, workloads });
  const ask = async (names: readonly string[]): Promise<DemandOutcome> => {
    asked.push(names.join(' '));
    const told = answer(names);
    if ('kind' in told) return told;
    learn(told);
    return answered;
  };
  return { decide: createDecideKnowing(mesh, { ask }), asked, learn };
}

t.test('a mesh that is known as a whole is asked at once', async (t) => {
  const mesh = createMeshIndex();
  const decide = createDecideKnowing(mesh, undefined);
  t.equal(
    decide((view) => view, 'refuse'),
    mesh,
  );
});

t.test('what is found is decided at once, without asking', async (t) => {
  const { decide, asked, learn } = setUp(() => []);
  learn([pod('a', '10.0.0.1')]);
  t.equal(
    decide((mesh) => nameAt(mesh, '10.0.0.1'), 'refuse'),
    'a',
  );
  t.same(asked, []);
});

t.test('what is missed is asked for, and what that leads to as well', async (t) => {
  const { decide, asked } = setUp(([name]) => [name === '/10.0.0.1' ? pod('a', '10.0.0.1') : pod('b', '10.0.0.2')]);
  const decision = decide((mesh) => nameAt(mesh, '10.0.0.1') && nameAt(mesh, '10.0.0.2'), 'refuse');
  t.equal(await decision, 'b');
  t.same(asked, ['/10.0.0.1', '/10.0.0.2']);
});

t.test('what is not there is asked for once, and decided as not there', async (t) => {
  const { decide, asked } = setUp(() => answered);
  t.equal(await decide((mesh) => nameAt(mesh, '1.1.1.1') ?? 'outside', 'refuse'), 'outside');
  t.same(asked, ['/1.1.1.1']);
});

t.test('when nobody tells, a connection is refused with the reason, or decided as far as it is known', async (t) => {
  const { decide } = setUp(() => ({ kind: 'unanswered', detail: 'istiod is away' }));
  const look = (mesh: MeshView) => nameAt(mesh, '1.1.1.1') ?? 'outside';
  await t.rejects(Promise.resolve(decide(look, 'refuse')), { code: 'TARGET_UNKNOWN', message: 'istiod is away' });
  t.equal(await decide(look, 'decide'), 'outside');
});

t.test('it ends, however far one thing leads to another', async (t) => {
  const { decide, asked } = setUp(() => answered);
  const next = (mesh: MeshView) => {
    for (let index = 0; index <= asked.length; index++) nameAt(mesh, `10.0.0.${index}`);
    return 'decided';
  };
  t.equal(await decide(next, 'refuse'), 'decided');
  t.equal(asked.length, 5);
});
