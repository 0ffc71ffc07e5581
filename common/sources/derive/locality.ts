// Where a workload runs: from its node's labels, or from the text `region/zone/subzone` of an entry.
// Undefined where nothing is known.
import type { Locality } from '../../mesh/workload.ts';
import type { Labels } from '../kinds/label-selector.ts';

export function localityOfNode(labels: Labels | undefined): Locality | undefined {
  return localityOf(
    labels?.['topology.kubernetes.io/region'],
    labels?.['topology.kubernetes.io/zone'],
    labels?.['topology.istio.io/subzone'],
  );
}

export function localityFromText(text: string): Locality | undefined {
  const [region, zone, subzone] = text.split('/');
  return localityOf(region, zone, subzone);
}

function localityOf(region = '', zone = '', subzone = ''): Locality | undefined {
  return region === '' && zone === '' && subzone === '' ? undefined : { region, zone, subzone };
}
