// A client of a node's HTTP API, as TypeScript sees it by the OpenAPI document: that it compiles shows that the document says
// what an answer has, and what it says when run that the node keeps to it.

import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

declare const process: { argv: string[]; exit(code: number): never };

const [url, group, agent] = process.argv.slice(2) as [string, string, string];
// Other clients may ask for CBOR.
const client = createClient<paths, 'application/json' | 'application/problem+json'>({ baseUrl: url });

function check(holds: boolean, what: string): void {
  if (!holds) {
    console.error(`not so: ${what}`);
    process.exit(1);
  }
}

const status = await client.GET('/v1/groups/{group}', { params: { path: { group } } });
if (status.error) throw new Error(status.error.detail);
const bond: string = status.data.group.terms.bond;
const voters = status.data.group.members.filter((member) => BigInt(member.weight) > 0n);
check(/^\d+$/.test(bond) && voters.length > 0 && status.data.log_size > 0, 'the group');

const known = await client.GET('/v1/groups/{group}/agents/{agent}', { params: { path: { group, agent } } });
if (known.error) throw new Error(known.error.detail);
const nonce: bigint = BigInt(known.data.next_nonce);
check(known.data.voter && nonce >= 0n, 'the agent');

const page = await client.GET('/v1/groups/{group}/entries', { params: { path: { group }, query: { limit: 10 } } });
if (page.error) throw new Error(page.error.detail);
const commands = page.data.entries.flatMap(({ body }) => (body.kind === 'command' ? [body.body] : []));
const digests: string[] = commands.map(({ digest }) => digest);
check(page.data.size > 1 && digests.length > 0, 'the entries');

const [digest] = digests as [string];
const receipt = await client.GET('/v1/groups/{group}/commands/{digest}', { params: { path: { group, digest } } });
if (receipt.error) throw new Error(receipt.error.detail);
const { record, certificate }: components['schemas']['Receipt'] = receipt.data;
check(record.entry.subject === digest && certificate.attestations.length > 2, 'the receipt');

// What is refused says by which code.
const id = `0x${'00'.repeat(32)}`;
const missing = await client.GET('/v1/groups/{group}/proposals/{id}', { params: { path: { group, id } } });
check(missing.error?.code === 'not_found' && missing.error.status === 404, 'the problem');
check(missing.response.headers.get('content-type') === 'application/problem+json', 'its media type');
