/**
 * An audio graph that the system interrupts, for example for a phone call, may be left suspended
 * afterwards.
 */

const watched = new WeakSet();

/** Lets the graph go on after each interruption. `null` is no graph. */
export function resumeAfterInterruptions(context) {
  if (!context || watched.has(context)) return;
  watched.add(context);
  let before = context.state;
  context.addEventListener('statechange', () => {
    if (before === 'interrupted' && context.state === 'suspended') context.resume().catch(() => {});
    before = context.state;
  });
}
