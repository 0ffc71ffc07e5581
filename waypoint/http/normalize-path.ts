// The path as routing, policy and telemetry see it, and as it goes upstream: Istio's default path normalization BASE.
// In: the request target's path with query. Out: dot segments removed, unreserved characters decoded, `\` as `/`, no fragment;
// slashes are not merged and %2F stays. Source: RFC 3986 §5.2.4 and §6.2.2, waypoint-telemetry.md §9.1.

const needsWork = /[%\\#]|\/\./;
const unreserved = /^[A-Za-z0-9\-._~]$/;

export function normalizePath(target: string): string {
  if (!target.startsWith('/') || !needsWork.test(target)) return target;
  const withoutFragment = target.split('#', 1)[0] ?? '';
  const queryAt = withoutFragment.indexOf('?');
  const path = queryAt < 0 ? withoutFragment : withoutFragment.slice(0, queryAt);
  const query = queryAt < 0 ? '' : withoutFragment.slice(queryAt);
  return removeDotSegments(decodeUnreserved(path).replaceAll('\\', '/')) + query;
}

function decodeUnreserved(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(character) ? character : escaped;
  });
}

function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (isLast) kept.push('');
  }
  return `/${kept.join('/')}`;
}
