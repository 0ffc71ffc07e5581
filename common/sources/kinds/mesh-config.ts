// The part of Istio's MeshConfig that changes what the mesh is told: ConfigMap `istio` of the system namespace, key `mesh`.
// A Kubernetes object in, the settings it makes out; what it does not say keeps the value given at start.
import { parse } from 'yaml';
import { Field, MalformedField } from '../field.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { type LabelSelector, parseLabelSelector } from './label-selector.ts';

export interface EntryVisibilityRule {
  readonly visibility: 'NONE' | 'NAMESPACE' | 'PUBLIC';
  /** The rule is for namespaces that match one of these. */
  readonly namespaceSelectors: readonly LabelSelector[];
}

export interface MeshConfig {
  readonly trustDomain: string | undefined;
  readonly rootNamespace: string | undefined;
  /** Empty: every namespace is seen; else those that match one. */
  readonly discoverySelectors: readonly LabelSelector[];
  readonly serviceEntryVisibility: readonly EntryVisibilityRule[];
}

/** @throws MalformedField */
export function parseMeshConfig(configMap: KubernetesObject): MeshConfig {
  const text = new Field('', configMap.raw).at('data').at('mesh').text();
  const mesh = new Field('data.mesh', parseYaml(text));
  return {
    trustDomain: mesh.at('trustDomain').text() || undefined,
    rootNamespace: mesh.at('rootNamespace').text() || undefined,
    discoverySelectors: mesh.at('discoverySelectors').items().map(parseLabelSelector),
    serviceEntryVisibility: mesh.at('serviceEntryVisibility').at('policies').items().map(parseVisibilityRule),
  };
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new MalformedField('data.mesh', `is no YAML (${reason})`, 'mend the text of the mesh configuration');
  }
}

function parseVisibilityRule(field: Field): EntryVisibilityRule {
  return {
    visibility: field.at('visibility').oneOf(['NONE', 'NAMESPACE', 'PUBLIC'] as const) ?? 'PUBLIC',
    namespaceSelectors: field
      .at('matchingRules')
      .items()
      .map((rule) => parseLabelSelector(rule.at('namespaceSelector'))),
  };
}
