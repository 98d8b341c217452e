// Writes TypeScript that compiles only if declarations and module have the same names: those it exports, and the members
// of its classes. A name missing on either side is an error of the compiler.
import * as module from '../voice-client.js';

const quoted = (names) => names.filter((name) => name !== 'constructor').map((name) => `${JSON.stringify(name)}: true`).join(', ');

const lines = [
  `import * as declared from ${JSON.stringify(process.argv[2])};`,
  `export const names: Record<keyof typeof declared, true> = { ${quoted(Object.keys(module))} };`,
];
for (const [name, value] of Object.entries(module).filter(([, value]) => isClass(value))) {
  const base = Object.getPrototypeOf(value).name;
  // What a constructor adds shows on an instance only. Errors are made as easily as that.
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
