/** Two short tones that rise if somebody comes and fall if somebody goes. */

const TONES = { joined: [523, 784], left: [523, 392] };
const TONE_SECONDS = 0.09;
const VOLUME = 0.08;

/**
 * Plays a sound, unless the browser holds the audio graph back.
 *
 * @param {AudioContext | null} context
 * @param {'joined' | 'left'} what
 */
export function playSound(context, what) {
  if (context?.state !== 'running') return;
  const gain = context.createGain();
  gain.gain.value = VOLUME;
  gain.connect(context.destination);
  TONES[what].forEach((frequency, nth) => {
    const start = context.currentTime + nth * TONE_SECONDS;
    const tone = context.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(start);
    tone.stop(start + TONE_SECONDS);
  });
  setTimeout(() => gain.disconnect(), 1_000);
}
