// Elements from code. Text only ever becomes text: there is no way from data to markup here.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `on…` are listeners, `class`, `data-…`, `aria-…` and so on attributes;
 *   null, undefined and false are left out
 * @param {...(Node | string | null)} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Sets text only where it differs, so that a selection or a screen reader is not disturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A bar for the eye beside a figure in text. `to` takes a share of 0 to 1.
 * @returns {{element: HTMLElement, to: (share: number) => void}}
 */
export function bar(share = 0) {
  const part = h('span', {});
  const element = h('span', { class: 'bar', 'aria-hidden': 'true' }, part);
  const to = (value) => {
    part.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
  };
  to(share);
  return { element, to };
}
