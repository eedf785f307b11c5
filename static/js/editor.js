// The fields of a backend: a pasted URL fills Address, Port and TLS; the usual ports follow TLS.
// The server does the same with a URL when the form is saved.
(() => {
  "use strict";

  const announce = (words) => {
    const region = document.querySelector("[data-announce]");
    if (region) region.textContent = words;
  };
  const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

  const connect = (part) => {
    const named = (name) => part.querySelector(`[name="${part.dataset.prefix}${name}"]`);
    const [address, port, tls] = [named("address"), named("port"), named("use_ssl")];

    // A choice that the user made is not changed again.
    let chosen = !("new" in part.dataset);
    tls.addEventListener("click", () => { chosen = true; });

    const set = (host, number, secure) => {
      address.value = host;
      port.value = number;
      tls.checked = secure;
      chosen = true;
      announce(`Address ${host}, port ${number}, TLS ${secure ? "on" : "off"}.`);
      changed(address);
    };

    address.addEventListener("change", () => {
      const found = /^(https?|wss?):\/\/(\[[^\]]+\]|[^\/:?#@]+)(?::(\d+))?\/?$/i.exec(address.value.trim());
      if (!found) return;
      const secure = /s$/i.test(found[1]);
      set(found[2].replace(/^\[|\]$/g, ""), found[3] || (secure ? 443 : 80), secure);
    });

    port.addEventListener("change", () => {
      const usual = { 443: true, 80: false }[port.value];
      if (chosen || usual === undefined || tls.checked === usual) return;
      tls.checked = usual;
      announce(`Enable TLS is ${usual ? "on" : "off"} for port ${port.value}.`);
      changed(tls);
    });
  };

  document.querySelectorAll('[data-part="backend"]').forEach(connect);
})();
