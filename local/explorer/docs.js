// Renders the document that the API itself serves; validatorUrl would send it to a stranger.
SwaggerUIBundle({ url: "/v1/openapi.json", dom_id: "#reference", validatorUrl: null });
