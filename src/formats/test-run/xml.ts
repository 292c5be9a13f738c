/** Writing XML 1.0: elements with attributes, and what must be escaped in them. */

/** An element: attributes in their order, and children that are markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  children: readonly string[] = [],
): string {
  const words = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${escapeAttribute(String(value))}"`,
  );
  const start = `<${name}${words.join('')}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`;
}

/** Text as the content of an element. A parser makes a line feed of a carriage return that is not escaped. */
export function escapeText(text: string): string {
  return onlyCharacters(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;');
}

/** Text as the value of an attribute, in double quotes. A parser makes spaces of white space that is not escaped. */
function escapeAttribute(text: string): string {
  return escapeText(text)
    .replaceAll('"', '&quot;')
    .replaceAll('\t', '&#9;')
    .replaceAll('\n', '&#10;');
}

/** What XML 1.0 has no way to write (its production `Char`), not even escaped, becomes U+FFFD. */
function onlyCharacters(text: string): string {
  return text.replace(
    /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu,
    '\u{FFFD}',
  );
}
