/** The terminal itself, xterm.js, without the style elements that the page's policy refuses. */

const FONT = 14;
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Load it where it is wanted, and show it in `box`. `typed(bytes)`: from the keyboard; `sized({cols, rows})`. */
export async function openScreen(box, { typed, sized }) {
  const { Terminal } = await import("./xterm.js");
  const restore = makeWithout();
  const terminal = new Terminal({
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    fontSize: FONT,
    cursorBlink: true,
    scrollback: 5000,
    screenReaderMode: true,
    theme: theme(),
  });
  const encoder = new TextEncoder();
  terminal.onData((text) => typed(encoder.encode(text)));
  terminal.onBinary((text) => typed(Uint8Array.from(text, (each) => each.charCodeAt(0))));
  terminal.onResize(sized);
  terminal.attachCustomKeyEventHandler((event) => !leaves(event, box));
  terminal.open(box);
  const fit = () => fitted(terminal, box);
  const watch = new ResizeObserver(fit);
  watch.observe(box);
  const colours = () => (terminal.options.theme = theme());
  dark.addEventListener("change", colours);
  fit();
  return {
    write: (bytes) => terminal.write(bytes),
    clear: () => terminal.reset(),
    focus: () => terminal.focus(),
    size: () => ({ cols: terminal.cols, rows: terminal.rows }),
    stop() {
      watch.disconnect();
      dark.removeEventListener("change", colours);
      terminal.dispose();
      restore();
    },
  };
}

/** Tab belongs to the shell; this gives it back to the page. */
function leaves(event, box) {
  if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey || event.code !== "KeyM") return false;
  event.preventDefault();
  box.nextElementSibling.setAttribute("tabindex", "-1");
  box.nextElementSibling.focus();
  return true;
}

/** Until `restore`, elements are made as the policy allows them: styles by script, in sheets and on elements, none that stand in markup. */
function makeWithout() {
  const sheets = [];
  const make = Document.prototype.createElement.bind(document);
  document.createElement = (tag, options) => {
    if (tag === "style") return styled(make("span"), sheets);
    const element = make(tag, options);
    if (tag === "span") element.setAttribute = setAttribute;
    return element;
  };
  return function restore() {
    delete document.createElement;
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !sheets.includes(sheet));
  };
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

function styled(element, sheets) {
  const sheet = new CSSStyleSheet();
  sheets.push(sheet);
  document.adoptedStyleSheets.push(sheet);
  element.hidden = true;
  return Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
}

/** As many columns and rows as there is room for. */
function fitted(terminal, box) {
  const screen = terminal.element?.querySelector(".xterm-screen")?.getBoundingClientRect();
  if (!screen?.width || !box.clientWidth) return;
  const style = getComputedStyle(box);
  const width = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 15;
  const height = box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  const cols = Math.floor(width / (screen.width / terminal.cols));
  const rows = Math.floor(height / (screen.height / terminal.rows));
  if (cols > 1 && rows > 1) terminal.resize(Math.min(cols, 500), Math.min(rows, 300));
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    background: colour("--face"),
    foreground: colour("--ink"),
    cursor: colour("--accent"),
    cursorAccent: colour("--face"),
    selectionBackground: dark.matches ? "#3b4a7d" : "#c9d3fb",
  };
}
