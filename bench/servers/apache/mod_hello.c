/* The hello page as an Apache module. */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

static int hello(request_rec *r) {
	char page[1024];
	int len;
	if (!r->handler || strcmp(r->handler, "hello")) return DECLINED;
	len = snprintf(page, sizeof page, "<html><body>hello from %s %s</body></html>\n", r->method, r->uri);
	ap_set_content_type(r, "text/html");
	ap_set_content_length(r, len);
	ap_rwrite(page, len, r);
	return OK;
}

static void hooks(apr_pool_t *p) {
	(void)p;
	ap_hook_handler(hello, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA hello_module = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0};
