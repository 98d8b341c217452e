// Writes TypeScript that compiles only if the declarations and the module have the same names: the
// exports, and the members of the classes. If a name is missing on either side, the compiler
// reports an error.
import * as module from '../src/index.js';

const quoted = (names) => names.filter((name) => name !== 'constructor').map((name) => `${JSON.stringify(name)}: true`).join(', ');

const lines = [
  `import * as declared from ${JSON.stringify(process.argv[2])};`,
  `export const names: Record<keyof typeof declared, true> = { ${quoted(Object.keys(module))} };`,
];
for (const [name, value] of Object.entries(module).filter(([, value]) => isClass(value))) {
  const base = Object.getPrototypeOf(value).name;
  // Members that a constructor adds show only on an instance. Only errors can be made here that
  // easily.
  const instance = value.prototype instanceof Error ? new value('TIMEOUT') : {};
  const members = [...Object.getOwnPropertyNames(value.prototype), ...Object.getOwnPropertyNames(instance)]
    .filter((member) => !['name', 'message', 'stack'].includes(member));
  const statics = Object.getOwnPropertyNames(value).filter((member) => !['length', 'name', 'prototype'].includes(member));
  lines.push(
    `export const membersOf${name}: Record<Exclude<keyof declared.${name}, keyof ${base}>, true> = { ${quoted(members)} };`,
    `export const staticsOf${name}: Record<Exclude<keyof typeof declared.${name}, keyof typeof ${base}>, true> = { ${quoted(statics)} };`,
  );
}
console.log(lines.join('\n'));

function isClass(value) {
  return Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;
}
