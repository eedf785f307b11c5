// The API reference: Swagger UI with the document that the page names, in the page's theme.
"use strict";

const place = document.querySelector("[data-api-docs]");
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  const theme = document.documentElement.dataset.theme;
  const dark = theme === "dark" || (theme === "system" && prefersDark.matches);
  document.documentElement.classList.toggle("dark-mode", dark);
}

followTheme();
prefersDark.addEventListener("change", followTheme);
SwaggerUIBundle({
  url: place.dataset.apiDocs,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  filter: true,
  validatorUrl: null,
  persistAuthorization: false,
  tagsSorter: "alpha",
});
