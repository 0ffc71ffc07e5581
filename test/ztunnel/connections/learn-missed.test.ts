// A mesh that is known in parts: what a decision will miss is asked for before it counts.
import t from 'tap';
import type { DemandOutcome } from '../../../common/mesh/mesh-demand.ts';
import { createMeshIndex } from '../../../common/mesh/mesh-index.ts';
import { nothing } from '../../../common/mesh/mesh-source.ts';
import type { MeshView } from '../../../common/mesh/mesh-view.ts';
import type { Workload } from '../../../common/mesh/workload.ts';
import { learnCaller, learnMissed } from '../../../ztunnel/connections/learn-missed.ts';
import { at, aWorkload } from '../../support/mesh-objects.ts';

const answered: DemandOutcome = { kind: 'answered' };
const pod = (name: string, address: string): Workload => aWorkload({ name, addresses: [address] });
const nameAt = (mesh: MeshView, ip: string) => mesh.workloadByAddress('', at(ip))?.name;

function setUp(answer: (names: readonly string[]) => readonly Workload[] | DemandOutcome) {
  const asked: string[] = [];
  const mesh = createMeshIndex();
  const learnAll = (workloads: readonly Workload[]) => mesh.apply({ ...nothing, workloads });
  const ask = async (names: readonly string[]): Promise<DemandOutcome> => {
    asked.push(names.join(' '));
    const told = answer(names);
    if ('kind' in told) return told;
    learnAll(told);
    return answered;
  };
  return { learn: (look: (mesh: MeshView) => void) => learnMissed(mesh, { ask }, look), asked, learnAll, mesh };
}

t.test('what is known is not asked for', async (t) => {
  const { learn, asked, learnAll } = setUp(() => []);
  learnAll([pod('a', '10.0.0.1')]);
  t.same(await learn((mesh) => nameAt(mesh, '10.0.0.1')), answered);
  t.same(asked, []);
});

t.test('what is missed is asked for, and what that leads to as well', async (t) => {
  const { learn, asked, mesh } = setUp(([name]) => [
    name === '/10.0.0.1' ? pod('a', '10.0.0.1') : pod('b', '10.0.0.2'),
  ]);
  t.same(await learn((view) => nameAt(view, '10.0.0.1') && nameAt(view, '10.0.0.2')), answered);
  t.same(asked, ['/10.0.0.1', '/10.0.0.2']);
  t.equal(nameAt(mesh, '10.0.0.2'), 'b');
});

t.test('what is not there is asked for once', async (t) => {
  const { learn, asked } = setUp(() => answered);
  t.same(await learn((mesh) => nameAt(mesh, '1.1.1.1')), answered);
  t.same(asked, ['/1.1.1.1']);
});

t.test('it says so when nobody tells', async (t) => {
  const { learn } = setUp(() => ({ kind: 'unanswered', detail: 'istiod is away' }));
  t.same(await learn((mesh) => nameAt(mesh, '1.1.1.1')), { kind: 'unanswered', detail: 'istiod is away' });
});

t.test('it ends, however far one thing leads to another', async (t) => {
  const { learn, asked } = setUp(() => answered);
  const look = (mesh: MeshView) => {
    for (let index = 0; index <= asked.length; index++) nameAt(mesh, `10.0.0.${index}`);
  };
  t.same(await learn(look), answered);
  t.equal(asked.length, 5);
});

t.test('who calls is waited for a little, and no longer', async (t) => {
  const asked: string[] = [];
  const silent = {
    ask(names: readonly string[]) {
      asked.push(...names);
      return new Promise<DemandOutcome>(() => {});
    },
  };
  const awake = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(awake));
  await learnCaller(createMeshIndex(), silent, (mesh) => nameAt(mesh, '10.0.0.9'));
  t.same(asked, ['/10.0.0.9']);
});
