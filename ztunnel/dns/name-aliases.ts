// The names under which the mesh may know what a program asked for: short names of Kubernetes, names with a search domain
// behind them, and wildcards of service entries. Names are lower case, without a final dot. Source: ztunnel.md §9.

export interface NameScope {
  readonly clusterDomain: string;
  /** Undefined: those that Kubernetes writes into a pod's resolv.conf. */
  readonly searchDomains: readonly string[] | undefined;
}

export interface Alias {
  readonly name: string;
  /** What was asked for without a search domain, where this name is found through one. */
  readonly stripped: string | undefined;
}

/** In the order in which they are to be tried; the name itself first. */
export function nameAliases(name: string, clientNamespace: string, scope: NameScope): readonly Alias[] {
  const { clusterDomain, searchDomains } = scope;
  const ofNamespace = `${clientNamespace}.svc.${clusterDomain}`;
  const expansions = (of: string): readonly string[] => kubernetesNames(of, ofNamespace, clusterDomain);
  const aliases = [name, ...expansions(name)].map((alias): Alias => ({ name: alias, stripped: undefined }));
  for (const domain of searchDomains ?? [ofNamespace, `svc.${clusterDomain}`, clusterDomain]) {
    if (!name.endsWith(`.${domain}`)) continue;
    const stripped = name.slice(0, -domain.length - 1);
    for (const alias of [stripped, ...expansions(stripped)]) aliases.push({ name: alias, stripped });
  }
  return aliases;
}

/** The name itself, then with a `*` for more and more of its first labels; never for the last one. */
export function wildcardsOf(name: string): readonly string[] {
  const labels = name.split('.');
  return [name, ...labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`)];
}

/** Only those that make sense for so many labels. */
function kubernetesNames(name: string, ofNamespace: string, clusterDomain: string): readonly string[] {
  const labels = name.split('.');
  const whole = labels.at(-1) === 'svc' ? [`${name}.${clusterDomain}`] : [];
  switch (labels.length) {
    case 1:
      return [`${name}.${ofNamespace}`];
    case 2:
      return [`${name}.svc.${clusterDomain}`, `${name}.${ofNamespace}`];
    case 3:
      return [...whole, `${name}.svc.${clusterDomain}`];
    case 4:
      return whole;
    default:
      return [];
  }
}
