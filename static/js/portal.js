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

  // A callout with words and, if there is one, a link.
  const callout = (kind, role, words, link) => {
    const box = document.createElement("div");
    box.className = `callout ${kind}`;
    box.setAttribute("role", role);
    const line = document.createElement("p");
    line.append(words, ...(link ? [" ", link] : []));
    box.append(line);
    return box;
  };

  const signInLink = () => {
    const link = document.createElement("a");
    const here = encodeURIComponent(location.pathname + location.search);
    link.href = `${document.body.dataset.signIn}?next=${here}`;
    link.textContent = "Sign in";
    link.addEventListener("click", keepChanged);
    return link;
  };

  // htmx: a failed request is shown beside what it was to replace, which is marked as outdated.
  const problems = new WeakMap();
  const clearProblem = (target) => {
    problems.get(target)?.remove();
    problems.delete(target);
    target.classList.remove("outdated");
  };

  const showProblem = (target, words, link) => {
    if (!target?.isConnected || problems.has(target)) return;
    const box = callout("bad", "alert", words, link);
    problems.set(target, box);
    target.classList.add("outdated");
    target.before(box);
  };

  const unreachable = "Could not reach the server. Nothing was changed, and what is shown here may be outdated. Try again.";
  ["htmx:sendError", "htmx:timeout"].forEach((name) => {
    document.addEventListener(name, (event) => showProblem(event.detail.target, unreachable));
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { target, xhr } = event.detail;
    if (xhr.status === 401) showProblem(target, "You are signed out, so this is outdated.", signInLink());
    else showProblem(target, `The server could not answer (status ${xhr.status}), so this is outdated. Try again, or reload the page.`);
  });
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

  // What works for longer than a moment says so: a pressed button, and the part that htmx will replace.
  const busyAfter = 300; // milliseconds
  const busy = new Map();
  const startWork = (element, show) => {
    if (!element || busy.has(element)) return;
    const before = Array.from(element.childNodes);
    const timer = setTimeout(() => {
      element.setAttribute("aria-busy", "true");
      if (show) element.replaceChildren(show);
    }, busyAfter);
    busy.set(element, () => {
      clearTimeout(timer);
      if (show && element.hasAttribute("aria-busy")) element.replaceChildren(...before);
      element.removeAttribute("aria-busy");
    });
  };

  const endWork = (element) => {
    busy.get(element)?.();
    busy.delete(element);
  };

  const endAllWork = () => Array.from(busy.keys()).forEach(endWork);

  document.addEventListener("htmx:beforeRequest", (event) => {
    // Numbers that refresh by themselves would fade every few seconds if the server is slow.
    if (!event.defaultPrevented && !event.target.matches("[data-live]")) startWork(event.detail.target);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, target, successful } = event.detail;
    Array.from(busy.keys()).filter((each) => each === target || elt.contains(each)).forEach(endWork);
    if (successful) clearProblem(target);
  });
  document.addEventListener("submit", (event) => {
    if (event.submitter?.matches("button")) startWork(event.submitter, "Working…");
  });
  window.addEventListener("pageshow", endAllWork); // also a page from the back-forward cache

  // Offline: say so while it lasts.
  let offline = null;
  const showOffline = () => {
    if (navigator.onLine) {
      offline?.remove();
      offline = null;
    } else if (!offline) {
      offline = callout("warn", "status", "You are offline. This page may be outdated, and nothing can be saved until you are online again.");
      one("main").prepend(offline);
    }
  };
  window.addEventListener("online", showOffline);
  window.addEventListener("offline", showOffline);

  // A form that was sent after the session ended: what was typed is put back when its page is open
  // again, for the same user and in this tab. Secrets and agreements are never kept.
  const formKey = "tollgate.form";
  const isChoice = (field) => field.matches("[type=checkbox], [type=radio]");
  const keptFields = (form) => Array.from(form.elements).filter((field) =>
    field.name && field.matches("input, select, textarea")
    && !field.matches("[type=hidden], [type=password], [type=file], [autocomplete=one-time-code], [data-not-kept], [type=checkbox]:required"));

  // A field with the name "action" or "method" hides the property of the form, but not its attribute.
  const actionOf = (form) => new URL(form.getAttribute("action") ?? "", location.href).pathname;

  const keep = (form, interrupted = false) => {
    const fields = keptFields(form).map((field) => [field.name, field.value, field.checked]);
    const kept = {
      page: location.pathname,
      action: actionOf(form),
      user: document.body.dataset.user,
      fields,
      interrupted,
    };
    try {
      sessionStorage.setItem(formKey, JSON.stringify(kept));
    } catch {
      // Without storage nothing is put back.
    }
  };

  const isChanged = (field) =>
    isChoice(field) ? field.checked !== field.defaultChecked : "defaultValue" in field && field.value !== field.defaultValue;

  const keepChanged = () => {
    const changed = all("main form[method=post]").find((form) => keptFields(form).some(isChanged));
    if (changed) keep(changed, true);
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.getAttribute("method") === "post" && form.matches("main:not([data-keeps-form]) form")) keep(form);
  });

  const takeKept = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(formKey));
      if (kept && one("main[data-keeps-form]")) {
        sessionStorage.setItem(formKey, JSON.stringify({ ...kept, interrupted: true }));
        return null;
      }
      sessionStorage.removeItem(formKey);
      return kept;
    } catch {
      return null;
    }
  };

  const fill = (field, fields) => {
    const same = fields.filter(([name]) => name === field.name);
    if (isChoice(field)) {
      const [, , checked] = same.find(([, value]) => value === field.value) ?? [];
      if (checked !== undefined) field.checked = checked;
    } else if (same.length === 1) [[, field.value]] = same;
  };

  const putBack = () => {
    const kept = takeKept();
    if (!kept?.interrupted || kept.page !== location.pathname || kept.user !== document.body.dataset.user) return;
    const form = all("main form[method=post]").find((each) => actionOf(each) === kept.action);
    const fields = form ? keptFields(form) : [];
    if (!fields.length) return;
    fields.forEach((field) => fill(field, kept.fields));
    form.before(callout("", "status", "What you typed was kept. It was not sent yet."));
  };

  // Enter presses the first button of a form. Where that only searches for services to choose, it
  // presses the one that sends the form, except in the field of the search.
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key !== "Enter" || event.isComposing || !target.matches("input:not([name=find])")) return;
    const finder = target.form && one("button[name=search]", target.form);
    const sender = finder && one("button.main", target.form);
    if (!sender) return;
    event.preventDefault();
    sender.click();
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
    showOffline();
    putBack();
    const box = one("[data-shortcuts-on]");
    if (box) box.checked = shortcutsOn();
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
