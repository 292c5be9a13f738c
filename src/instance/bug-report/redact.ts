/** Takes out of a text what nobody else may know. */

/** A private key in PEM armour, whatever its kind. */
const pem = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g;
/** A crypt(3) hash, as in /etc/shadow. */
const cryptHash = /\$(?:[1-9]|y|2[aby])\$[./0-9A-Za-z$]{8,}/g;

/**
 * @param secrets known ones, such as passwords; shorter than 6 characters they would match by accident
 * @returns the text, and how many places were changed
 */
export function redact(
  text: string,
  secrets: readonly string[],
): { readonly text: string; readonly places: number } {
  let places = 0;
  const hide = (what: string) => (): string => {
    places++;
    return `<${what} left out>`;
  };
  let clean = text.replace(pem, hide('private key')).replace(cryptHash, hide('password hash'));
  for (const secret of secrets.filter(({ length }) => length >= 6)) {
    clean = clean.replaceAll(secret, hide('password'));
  }
  return { text: clean, places };
}
