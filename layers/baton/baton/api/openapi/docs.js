"use strict";

// The page may stand below a path, so the document's address is taken from the page's own.
SwaggerUIBundle({
  dom_id: "#api",
  url: new URL("openapi.json", window.location.href).href,
  deepLinking: true,
  displayOperationId: true,
  docExpansion: "list",
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
