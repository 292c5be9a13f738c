/**
 * xterm.js writes `<style>` elements and `style` attributes, which the page's Content-Security-Policy
 * forbids: markup could bring them as well. The same through the object model is no markup, and allowed.
 * This is the only other code in the page, so it may be taught that here.
 */
export function styleThroughObjects(): void {
  const sheets = new WeakMap<HTMLStyleElement, CSSStyleSheet>();
  Object.defineProperty(HTMLStyleElement.prototype, 'textContent', {
    set(this: HTMLStyleElement, text: string) {
      let sheet = sheets.get(this);
      if (sheet === undefined) {
        sheet = new CSSStyleSheet();
        sheets.set(this, sheet);
        document.adoptedStyleSheets.push(sheet);
      }
      sheet.replaceSync(text);
    },
  });
  const remove = Object.getOwnPropertyDescriptor(Element.prototype, 'remove')?.value as () => void;
  HTMLStyleElement.prototype.remove = function () {
    const sheet = sheets.get(this);
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    remove.call(this);
  };
  const setAttribute = Object.getOwnPropertyDescriptor(Element.prototype, 'setAttribute')
    ?.value as (name: string, value: string) => void;
  HTMLElement.prototype.setAttribute = function (name, value) {
    if (name === 'style') this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };
}
