// Lints a node's OpenAPI document, makes TypeScript types from it, and compiles and runs client.ts with them.
//
//   node check.mjs DOCUMENT URL GROUP AGENT
//
// DOCUMENT is a file; URL, GROUP and AGENT are a running node, the group that it serves, and a voter of it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, copyFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import openapiTS, { astToString } from 'openapi-typescript';

const here = dirname(fileURLToPath(import.meta.url));
const [file, url, group, agent] = process.argv.slice(2);
const source = readFileSync(file, 'utf8');

// A node has no one address to tell, its reads ask for no password, and what watches over it is refused to nobody.
const rules = { 'no-empty-servers': 'off', 'security-defined': 'off', 'operation-4xx-response': 'off' };
const config = await createConfig({ extends: ['recommended-strict'], rules });
const problems = await lintFromString({ source, config });
for (const { ruleId, message, location } of problems) {
  console.error(`${ruleId}: ${message} (${location.map(({ pointer }) => pointer).join(', ')})`);
}
if (problems.length > 0) process.exit(1);

const folder = mkdtempSync(join(tmpdir(), 'quorate-openapi-'));
try {
  writeFileSync(join(folder, 'schema.d.ts'), astToString(await openapiTS(JSON.parse(source))));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  copyFileSync(join(here, 'client.ts'), join(folder, 'client.ts'));
  symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
  const options = ['--strict', '--noUncheckedIndexedAccess', '--target', 'es2022', '--module', 'nodenext'];
  const tsc = join(here, 'node_modules/typescript/bin/tsc');
  run(process.execPath, [tsc, ...options, join(folder, 'client.ts')]);
  run(process.execPath, [join(folder, 'client.js'), url, group, agent]);
} finally {
  rmSync(folder, { recursive: true });
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${args[0]} ended with ${status}`);
}
