/** The few DOM functions that every part of the page needs. */

/** The element with this id. Throws if there is none, since that is a mistake in the page. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/**
 * Makes an element. `props` are properties, except `class`, `dataset`, `role`, `for` and names with
 * a dash.
 */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === 'class') element.className = value;
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else if (name.includes('-') || name === 'role' || name === 'for') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const TYPED_INTO = 'input:not([type=range], [type=radio], [type=checkbox]), select, textarea, [contenteditable]';

/** Whether a key goes into a field, so that it is no command to the page. */
export function isTyping(event) {
  return Boolean(event.target.closest?.(TYPED_INTO));
}

const SVG = 'http://www.w3.org/2000/svg';

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Writes a text only if it is another, so that screen readers read out changes and nothing else.
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows words and the colour of their tone. */
export function setStatus(element, { words, tone }) {
  setText(element, words);
  element.dataset.tone = tone;
}

/** Gives an avatar the initials and the colour of a name. */
export function paintAvatar(element, displayName) {
  setText(element, initials(displayName));
  element.style.setProperty('--hue', String(hueOf(displayName)));
}

/** What a reader sees as one character may be several code points: an emoji, a letter with accents. */
const graphemes = globalThis.Intl?.Segmenter && new Intl.Segmenter(undefined, { granularity: 'grapheme' });

function firstCharacter(word) {
  const [first] = graphemes ? graphemes.segment(word) : word;
  return first?.segment ?? first ?? '';
}

/** The first characters of the first and the last word of a name. */
export function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0] ?? ''];
  return letters.map(firstCharacter).join('').toUpperCase() || '?';
}

function hueOf(name) {
  let hash = 2166136261;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  return ((hash >>> 0) >>> 8) % 360;
}

const FLAGS = { deafened: 'sound-off', muted: 'mic-off', speaking: 'mic' };

/** Shows a state of a person as an icon, and says it: `deafened`, `muted`, `speaking`, or `''`. */
export function setFlag(element, flag) {
  if ((element.dataset.flag ?? '') === flag) return;
  element.dataset.flag = flag;
  element.replaceChildren();
  if (flag) element.append(icon(FLAGS[flag]), make('span', { class: 'visually-hidden' }, flag));
}

/**
 * Makes the children of a list those of `items`. An item with a known key keeps its element, so a
 * slider that is being dragged and the focus survive.
 */
export function syncList(list, items, { keyOf, create, update }) {
  const existing = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let position = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = existing.get(key);
    existing.delete(key);
    if (!element) {
      element = create(item);
      element.dataset.key = key;
    }
    update(element, item);
    if (element === position) position = position.nextElementSibling;
    else list.insertBefore(element, position);
  }
  for (const element of existing.values()) element.remove();
}
