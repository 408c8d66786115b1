// Renders the API's own OpenAPI document. Without validatorUrl: null, Swagger UI sends its URL to a third party.
SwaggerUIBundle({ url: "/v1/openapi.json", dom_id: "#reference", validatorUrl: null });
