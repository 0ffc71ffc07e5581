// Tries on this machine what the captured mode needs: namespaces, veth, nft, nsenter. Nothing in, the capture mode and
// the way to keep processes together out.

import { type CaptureMode, decideCaptureMode, trialScript } from './capture-mode.ts';
import { tryCommand } from './command-process.ts';

export interface Capabilities {
  readonly mode: CaptureMode;
  /** Without a process namespace, what is left behind after a kill is found by its environment. */
  readonly isolation: 'namespaces' | 'process-namespace' | 'none';
}

export const captureNamespaces = ['unshare', '-Urnmpf', '--kill-child', '--mount-proc'] as const;
export const processNamespace = ['unshare', '-Urmpf', '--kill-child', '--mount-proc'] as const;

export async function findCapabilities(wanted: 'if-possible' | 'never'): Promise<Capabilities> {
  const mode = wanted === 'never' ? refusedCapture : await tryCapture();
  if (mode.kind === 'captured') return { mode, isolation: 'namespaces' };
  const trial = await tryCommand([...processNamespace, 'true']);
  return { mode, isolation: trial.code === 0 ? 'process-namespace' : 'none' };
}

const refusedCapture: CaptureMode = {
  kind: 'explicit',
  reason: '--no-capture was given',
  remedy: 'leave --no-capture out',
};

async function tryCapture(): Promise<CaptureMode> {
  const trial = await tryCommand([...captureNamespaces, 'sh', '-c', trialScript]);
  if (trial.code === null && trial.errors.includes('ENOENT')) {
    return decideCaptureMode({ kind: 'not-started', errors: trial.errors });
  }
  return decideCaptureMode({ kind: 'ended', code: trial.code, errors: trial.errors });
}
