// Mixer's rules for whoever uses them: the reader, and with it CEL, is loaded when there is something to read. Nearly no mesh has such
// manifests, and CEL takes 15 MB in each thread. In: all objects. Out: rules and problems.
import { apiGroup, type KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import type { MixerRules } from './mixer-resources.ts';

export async function loadMixerRules(objects: readonly KubernetesObject[]): Promise<MixerRules> {
  if (!objects.some((object) => apiGroup(object) === 'config.istio.io')) return { rules: [], problems: [] };
  const { readMixerRules } = await import('./mixer-resources.ts');
  return readMixerRules(objects);
}
