/*
 * What OpenSSL's error queue says, as a code and as words. The queue is the thread's, not the
 * task's: it is emptied before each call that may fill it, and here.
 */
#include "tls/private.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

int aio__tls_say(struct aio__tls *tls, int code, const char *text)
{
    (void)snprintf(tls->problem, sizeof tls->problem, "%s", text);
    return code;
}

/* Of a certificate that was refused. */
static int verify_code(long result)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return -EKEYEXPIRED;
    case X509_V_ERR_CERT_REVOKED:
        return -EKEYREVOKED;
    case X509_V_ERR_OUT_OF_MEM:
        return -ENOMEM;
    default:
        return -EKEYREJECTED;
    }
}

static int reason_code(int reason)
{
    switch (reason) {
    case ERR_R_MALLOC_FAILURE:
        return -ENOMEM;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL:
        return -EPROTONOSUPPORT;
    default:
        return -EPROTO;
    }
}

static void say_reason(struct aio__tls *tls, unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);
    if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        (void)snprintf(tls->problem, sizeof tls->problem, "the peer says: %s",
                       SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else
        (void)snprintf(tls->problem, sizeof tls->problem, "%s",
                       text != NULL ? text : "error in the TLS library");
}

/* Empties the queue. Returns whether memory was short, which other errors come of. */
static bool queue_lacked_memory(void)
{
    bool lacked = false;
    unsigned long error;
    while ((error = ERR_get_error()) != 0)
        lacked = lacked || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return lacked;
}

int aio__tls_error(struct aio__tls *tls)
{
    unsigned long error = ERR_peek_error();
    long verified = SSL_get_verify_result(tls->ssl);
    int code = -EPROTO;
    if (tls->no_protocol)
        code = aio__tls_say(tls, -EPROTONOSUPPORT, "no application protocol in common");
    else if (!tls->established && verified != X509_V_OK &&
             ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        code = aio__tls_say(tls, verify_code(verified), X509_verify_cert_error_string(verified));
    else if (error != 0) {
        code = reason_code(ERR_GET_REASON(error));
        say_reason(tls, error);
    } else {
        (void)aio__tls_say(tls, 0, "the peer violated the protocol");
    }
    return queue_lacked_memory() ? -ENOMEM : code;
}

int aio__tls_load_error(void)
{
    unsigned long error;
    int code = -EINVAL;
    bool lacked = false;
    while ((error = ERR_get_error()) != 0) {
        if (ERR_SYSTEM_ERROR(error))
            code = -ERR_GET_REASON(error);
        else if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            lacked = true;
        else if (ERR_GET_LIB(error) == ERR_LIB_X509 &&
                 (ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH ||
                  ERR_GET_REASON(error) == X509_R_KEY_TYPE_MISMATCH))
            code = -EKEYREJECTED;
    }
    return lacked ? -ENOMEM : code;
}
