// Shortcuts, copying and menus that close. Every page works without this script.
(() => {
  "use strict";

  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const one = (selector, root = document) => root.querySelector(selector);

  const announce = (words) => {
    const region = one("[data-announce]");
    if (region) region.textContent = words;
  };

  // The setting for shortcuts. If the browser does not store it, shortcuts are on.
  const shortcutsKey = "tollgate.shortcuts";
  const shortcutsOn = () => {
    try {
      return localStorage.getItem(shortcutsKey) !== "off";
    } catch {
      return true;
    }
  };
  const keepShortcuts = (on) => {
    try {
      localStorage.setItem(shortcutsKey, on ? "on" : "off");
    } catch {
      announce("Your browser doesn't store settings. This applies to this page only.");
    }
  };

  // Copying: <button data-copy="value"> or data-copy-from="id of an element".
  const copyValue = (button) => {
    const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
    return source ? (source.value ?? source.textContent).trim() : button.dataset.copy;
  };

  const labels = new WeakMap();
  const showCopied = (button) => {
    if (!labels.has(button)) labels.set(button, Array.from(button.childNodes));
    button.replaceChildren("Copied");
    announce("Copied to the clipboard.");
    setTimeout(() => button.replaceChildren(...labels.get(button)), 2000);
  };

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(copyValue(button));
      showCopied(button);
    } catch {
      announce("The browser did not allow copying. Select the text and copy it yourself.");
    }
  };

  // Elements that need scripts are hidden in the page and shown here, also after htmx inserts them.
  const enliven = (root) => {
    all("[data-copy], [data-copy-from]", root).forEach((button) => {
      button.hidden = !(navigator.clipboard && window.isSecureContext);
    });
    all("[data-shortcuts], [data-live-pause]", root).forEach((button) => { button.hidden = false; });
  };

  // Menus: a click elsewhere or Escape closes them; Escape returns the focus.
  const closeMenus = (except) => {
    all("details.switcher[open]").forEach((menu) => {
      if (menu !== except) menu.open = false;
    });
  };

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("details.switcher"));
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (button) copy(button);
  });

  document.addEventListener("focusin", (event) => closeMenus(event.target.closest("details.switcher")));

  const escape = () => {
    const menu = one("details.switcher[open]");
    if (!menu) return;
    menu.open = false;
    one("summary", menu).focus();
  };

  // Keyboard: "g" and the first letter of an entry of the main navigation; "/" for the search; "?" for the list.
  const typing = (target) =>
    target.isContentEditable || target.matches("input, select, textarea, [role=textbox]");

  const goTo = (letter) => {
    const link = all("#menu a").find((entry) => entry.textContent.trim()[0]?.toLowerCase() === letter);
    if (link) link.click();
    return Boolean(link);
  };

  const search = () => {
    const field = one("[data-search]");
    if (!field) return false;
    // On a narrow screen there is a link instead of the field.
    if (field.offsetParent) field.focus();
    else one("[data-search-page]").click();
    return true;
  };

  const help = () => {
    const list = one("#shortcuts");
    if (list) list.togglePopover();
    return Boolean(list);
  };

  let waiting = 0;
  const press = (key) => {
    const afterG = waiting && Date.now() - waiting < 1500;
    waiting = key === "g" && !afterG ? Date.now() : 0;
    if (afterG) return goTo(key);
    if (key === "/") return search();
    return key === "?" && help();
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      escape();
      return;
    }
    const modified = event.ctrlKey || event.metaKey || event.altKey;
    if (modified || event.isComposing || event.key.length > 1) return;
    if (!shortcutsOn() || typing(event.target)) return;
    if (press(event.key.toLowerCase())) event.preventDefault();
  });

  // The list of shortcuts takes the focus; the browser returns it when the list closes.
  document.addEventListener("toggle", (event) => {
    if (event.target.id === "shortcuts" && event.newState === "open") one("button", event.target).focus();
  }, true);

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-shortcuts-on]")) keepShortcuts(event.target.checked);
  });

  // htmx: announce a failed request; the input stays.
  const failed = () => announce("Could not reach the server. Nothing was changed. Try again.");
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:load", (event) => enliven(event.detail.elt));

  // Numbers that refresh: not while the tab is hidden, the focus is within, or the reader has paused them.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const numbers = event.target;
    if (!numbers.matches("[data-live]")) return;
    const pause = one("[data-live-pause]", numbers.parentElement);
    const paused = pause.getAttribute("aria-pressed") === "true";
    if (paused || document.hidden || numbers.contains(document.activeElement)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const pause = event.target.closest("[data-live-pause]");
    if (pause) pause.setAttribute("aria-pressed", String(pause.getAttribute("aria-pressed") !== "true"));
  });

  // Passkeys: show the error if the browser refuses and the page has an element for it.
  document.addEventListener("allauth.error", (event) => {
    const place = one("[data-passkey-error]");
    if (!place) return;
    event.preventDefault();
    place.hidden = false;
    place.focus();
  });

  const start = () => {
    enliven(document);
    const box = one("[data-shortcuts-on]");
    if (box) box.checked = shortcutsOn();
    const summary = one("[data-error-summary]");
    if (summary) summary.focus();
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
