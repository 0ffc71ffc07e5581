// Which mode, and what would help, by how the trial of the namespaces ended.
import t from 'tap';
import { decideCaptureMode } from '../../../deploy/local/capture-mode.ts';

t.test('captured when all of it works', async (t) => {
  t.same(decideCaptureMode({ kind: 'ended', code: 0, errors: '' }), { kind: 'captured' });
});

t.test('explicit otherwise, with reason and remedy', async (t) => {
  t.match(decideCaptureMode({ kind: 'not-started', errors: '' }), { reason: /unshare/, remedy: /util-linux/ });
  const cases: readonly (readonly [number, RegExp])[] = [
    [11, /iproute2/],
    [12, /apt install nftables/],
    [13, /util-linux/],
    [14, /veth/],
    [15, /nf_tables/],
    [16, /container or sandbox/],
    [1, /sysctl -w kernel\.unprivileged_userns_clone=1/],
  ];
  for (const [code, remedy] of cases) {
    const mode = decideCaptureMode({ kind: 'ended', code, errors: 'unshare: not permitted\nmore' });
    t.match(mode, { kind: 'explicit', remedy });
  }
  t.match(decideCaptureMode({ kind: 'ended', code: 1, errors: 'unshare: no\nmore' }), {
    reason: 'user namespaces are refused (unshare: no)',
  });
});
