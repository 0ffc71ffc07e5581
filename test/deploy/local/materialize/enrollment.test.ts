// Who is in the mesh: the truth table of istio-control.md §1.2.
import t from 'tap';
import { decideEnrollment } from '../../../../deploy/local/materialize/enrollment.ts';

const mode = (value: string | undefined): Record<string, string> =>
  value === undefined ? {} : { 'istio.io/dataplane-mode': value };

function decide(pod: string | undefined, namespace: string | undefined, more: object = {}) {
  return decideEnrollment({
    namespace: 'shop',
    labels: mode(pod),
    annotations: {},
    spec: {},
    namespaceLabels: mode(namespace),
    ...more,
  }).kind;
}

t.test('the label of the pod beats the label of the namespace', async (t) => {
  t.equal(decide('ambient', undefined), 'enrolled');
  t.equal(decide('ambient', 'none'), 'enrolled');
  t.equal(decide('none', 'ambient'), 'not-enrolled');
  t.equal(decide(undefined, 'ambient'), 'enrolled');
  t.equal(decide('other', 'ambient'), 'enrolled');
  t.equal(decide(undefined, undefined), 'not-enrolled');
  t.equal(decide('other', undefined), 'not-enrolled');
});

t.test('the node network, sidecars and kube-system stay out', async (t) => {
  t.equal(decide('ambient', 'ambient', { spec: { hostNetwork: true } }), 'not-enrolled');
  t.equal(decide('ambient', 'ambient', { annotations: { 'sidecar.istio.io/status': '{}' } }), 'not-enrolled');
  t.equal(decide('ambient', 'ambient', { namespace: 'kube-system' }), 'not-enrolled');
});
