import t from 'tap';
import { parseIdentity } from '../../../common/identity/identity.ts';
import type { PolicyMatch, PolicyRule, StringMatch } from '../../../common/mesh/authorization-policy.ts';
import { explainMismatch, matchingRule } from '../../../common/mesh/match-policy.ts';
import { parseCidr } from '../../../common/net/cidr.ts';
import { aPolicy, endAt } from '../../support/mesh-objects.ts';

const meshed = {
  source: endAt('10.0.0.1:40000'),
  destination: endAt('10.0.1.1:8080'),
  identity: parseIdentity('spiffe://td/ns/client-ns/sa/client'),
};
const plain = { ...meshed, identity: undefined };
const v6 = { ...meshed, source: endAt('[fd00::1]:40000'), destination: endAt('[fd00:1::1]:8080') };

function isMatched(match: PolicyMatch, facts: Parameters<typeof matchingRule>[1] = meshed): boolean {
  return matchingRule(aPolicy({ name: 'p', match }), facts) !== undefined;
}

function range(text: string) {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const exact = (value: string): StringMatch => ({ kind: 'exact', value });

t.test('each field fits by any of its list, and by none of its not list', (t) => {
  const client = { namespace: 'client-ns', serviceAccount: 'client' };
  const rows: readonly {
    readonly what: string;
    readonly fits: PolicyMatch;
    readonly differs: PolicyMatch;
    readonly both: PolicyMatch;
  }[] = [
    {
      what: 'namespaces',
      fits: { namespaces: [exact('x'), exact('client-ns')] },
      differs: { namespaces: [exact('x')] },
      both: { namespaces: [{ kind: 'presence' }], notNamespaces: [exact('client-ns')] },
    },
    {
      what: 'notNamespaces',
      fits: { notNamespaces: [exact('x')] },
      differs: { notNamespaces: [exact('x'), exact('client-ns')] },
      both: { namespaces: [exact('client-ns')], notNamespaces: [exact('client-ns')] },
    },
    {
      what: 'principals',
      fits: { principals: [exact('td/ns/client-ns/sa/client')] },
      differs: { principals: [exact('spiffe://td/ns/client-ns/sa/client')] },
      both: { principals: [{ kind: 'presence' }], notPrincipals: [{ kind: 'suffix', value: 'sa/client' }] },
    },
    {
      what: 'notPrincipals',
      fits: { notPrincipals: [exact('other/ns/client-ns/sa/client')] },
      differs: { notPrincipals: [{ kind: 'prefix', value: 'td/' }] },
      both: { principals: [{ kind: 'prefix', value: 'td/' }], notPrincipals: [{ kind: 'presence' }] },
    },
    {
      what: 'serviceAccounts',
      fits: { serviceAccounts: [client] },
      differs: {
        serviceAccounts: [
          { ...client, namespace: 'x' },
          { ...client, serviceAccount: 'x' },
        ],
      },
      both: { serviceAccounts: [client], notServiceAccounts: [client] },
    },
    {
      what: 'notServiceAccounts',
      fits: { notServiceAccounts: [{ ...client, namespace: 'x' }] },
      differs: { notServiceAccounts: [client] },
      both: { serviceAccounts: [client, client], notServiceAccounts: [client] },
    },
    {
      what: 'sourceIps',
      fits: { sourceIps: [range('192.0.2.0/24'), range('10.0.0.0/24')] },
      differs: { sourceIps: [range('10.0.1.0/24')] },
      both: { sourceIps: [range('10.0.0.0/8')], notSourceIps: [range('10.0.0.1')] },
    },
    {
      what: 'notSourceIps',
      fits: { notSourceIps: [range('10.0.1.0/24')] },
      differs: { notSourceIps: [range('0.0.0.0/0')] },
      both: { sourceIps: [range('10.0.0.1')], notSourceIps: [range('10.0.0.0/31')] },
    },
    {
      what: 'destinationIps',
      fits: { destinationIps: [range('10.0.1.1')] },
      differs: { destinationIps: [range('10.0.0.0/24'), range('::/0')] },
      both: { destinationIps: [range('10.0.0.0/8')], notDestinationIps: [range('10.0.1.1')] },
    },
    {
      what: 'notDestinationIps',
      fits: { notDestinationIps: [range('10.0.0.0/24'), range('::/0')] },
      differs: { notDestinationIps: [range('10.0.1.0/25')] },
      both: { destinationIps: [range('10.0.1.1')], notDestinationIps: [range('10.0.1.1')] },
    },
    {
      what: 'destinationPorts',
      fits: { destinationPorts: [80, 8080] },
      differs: { destinationPorts: [80, 40000] },
      both: { destinationPorts: [8080], notDestinationPorts: [8080] },
    },
    {
      what: 'notDestinationPorts',
      fits: { notDestinationPorts: [80] },
      differs: { notDestinationPorts: [80, 8080] },
      both: { destinationPorts: [8080], notDestinationPorts: [80, 8080] },
    },
  ];
  for (const { what, fits, differs, both } of rows) {
    t.equal(isMatched(fits), true, `${what} fits`);
    t.equal(isMatched(differs), false, `${what} differs`);
    t.equal(isMatched(both), false, `${what}: the not list wins`);
  }
  t.end();
});

t.test('ranges of IPv6 hold IPv6 addresses', (t) => {
  t.equal(isMatched({ sourceIps: [range('fd00::/16')] }, v6), true);
  t.equal(isMatched({ sourceIps: [range('fd00:1::/32')] }, v6), false);
  t.equal(isMatched({ destinationIps: [range('fd00:1::1')] }, v6), true);
  t.equal(isMatched({ destinationIps: [range('0.0.0.0/0')] }, v6), false);
  t.end();
});

t.test('all fields of a match must fit', (t) => {
  t.equal(isMatched({ namespaces: [exact('client-ns')], destinationPorts: [8080] }), true);
  t.equal(isMatched({ namespaces: [exact('client-ns')], destinationPorts: [80] }), false);
  t.equal(isMatched({ namespaces: [exact('x')], destinationPorts: [8080] }), false);
  t.end();
});

t.test('texts are compared exactly, by prefix, by suffix or by presence, case-sensitively', (t) => {
  const rows: readonly (readonly [StringMatch, boolean])[] = [
    [exact('client-ns'), true],
    [exact('client'), false],
    [exact('Client-ns'), false],
    [exact(''), false],
    [{ kind: 'prefix', value: 'client' }, true],
    [{ kind: 'prefix', value: 'ns' }, false],
    [{ kind: 'prefix', value: '' }, true],
    [{ kind: 'suffix', value: '-ns' }, true],
    [{ kind: 'suffix', value: 'client' }, false],
    [{ kind: 'suffix', value: 'NS' }, false],
    [{ kind: 'presence' }, true],
  ];
  for (const [match, expected] of rows) t.equal(isMatched({ namespaces: [match] }), expected, JSON.stringify(match));
  t.end();
});

t.test('plain text has no principal, no service account and an empty namespace', (t) => {
  const rows: readonly (readonly [PolicyMatch, boolean])[] = [
    [{ principals: [{ kind: 'presence' }] }, false],
    [{ principals: [{ kind: 'prefix', value: '' }] }, false],
    [{ notPrincipals: [{ kind: 'presence' }] }, true],
    [{ notPrincipals: [exact('td/ns/client-ns/sa/client')] }, true],
    [{ serviceAccounts: [{ namespace: '', serviceAccount: '' }] }, false],
    [{ notServiceAccounts: [{ namespace: 'client-ns', serviceAccount: 'client' }] }, true],
    [{ namespaces: [{ kind: 'presence' }] }, false],
    [{ namespaces: [exact('')] }, true],
    [{ notNamespaces: [{ kind: 'presence' }] }, true],
    [{ destinationPorts: [8080] }, true],
  ];
  for (const [match, expected] of rows) t.equal(isMatched(match, plain), expected, JSON.stringify(match));
  t.end();
});

t.test('a match without any field matches nothing, an empty list is as an absent one', (t) => {
  t.equal(isMatched({}), false);
  t.equal(isMatched({ principals: [], notSourceIps: [] }), false);
  t.equal(isMatched({ principals: [], destinationPorts: [8080] }), true);
  t.end();
});

t.test('rules are alternatives, clauses add up, matches of a clause are alternatives', (t) => {
  const yes: PolicyMatch = { destinationPorts: [8080] };
  const no: PolicyMatch = { destinationPorts: [1] };
  const rows: readonly (readonly [readonly PolicyRule[], number | undefined, string])[] = [
    [[], undefined, 'no rules match nothing'],
    [[[]], 1, 'a rule without clauses matches everything'],
    [[[[]]], 1, 'a clause without matches matches everything'],
    [[[[{}]]], undefined, 'a clause of empty matches matches nothing'],
    [[[[{}, yes]]], 1, 'an empty match beside one that fits'],
    [[[[no, yes]]], 1, 'one match of a clause is enough'],
    [[[[no, no]]], undefined, 'none of the matches'],
    [[[[yes], [yes]]], 1, 'both clauses'],
    [[[[yes], [no]]], undefined, 'one of two clauses is not enough'],
    [[[[no], []]], undefined, 'nor an empty one beside it'],
    [[[[no]], [[yes]]], 2, 'the second rule'],
    [[[[no]], [[no]]], undefined, 'no rule'],
  ];
  for (const [rules, rule, what] of rows) t.equal(matchingRule(aPolicy({ name: 'p', rules }), meshed), rule, what);
  t.end();
});

t.test('a mismatch is explained by the fields that did not fit, for the first rules', (t) => {
  const explain = (rules: readonly PolicyRule[], facts: Parameters<typeof matchingRule>[1] = meshed) =>
    explainMismatch(aPolicy({ name: 'p', rules }), facts);
  const port: PolicyMatch = { destinationPorts: [1] };
  t.equal(explain([]), 'it has no rules');
  t.equal(explain([[[{}]]]), 'rule 1 does not accept anything');
  t.equal(
    explain([[[port, { principals: [exact('x')] }]], [[{ sourceIps: [range('1.1.1.1')] }]]]),
    'rule 1 does not accept destination port 8080 or principal spiffe://td/ns/client-ns/sa/client, ' +
      'rule 2 does not accept source address 10.0.0.1',
  );
  t.equal(explain([[[{ namespaces: [exact('x')] }]]], plain), 'rule 1 does not accept plain text');
  t.match(explain(Array.from({ length: 500 }, () => [[port]])), /rule 3 .*, nor do 497 more rules$/);
  t.end();
});
