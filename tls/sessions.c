/*
 * A client's sessions: what a server has given to resume by, kept by the host it was for. The peer
 * of a resumed session is not verified anew, so a session is used for the same name and the same
 * context only. A ticket of TLS 1.3 is used once, so that nobody can tell two connections of ours.
 */
#include "tls/private.h"

#include <string.h>

struct aio__tls_session {
    SSL_SESSION *session; /* NULL: free */
    char *host;
};

static void session_drop(struct aio__tls_session *slot)
{
    SSL_SESSION_free(slot->session);
    OPENSSL_free(slot->host);
    *slot = (struct aio__tls_session){.session = NULL};
}

/* OpenSSL has a session for us. Returns 1 when its reference was taken. */
static int session_arrived(SSL *ssl, SSL_SESSION *session)
{
    struct aio__tls *tls = aio__tls_of(ssl);
    struct aio__tls_sessions *sessions = &tls->context->sessions;
    char *host = OPENSSL_strdup(tls->host);
    if (host == NULL)
        return 0;
    (void)pthread_mutex_lock(&sessions->lock);
    struct aio__tls_session *slot = &sessions->slots[sessions->next];
    sessions->next = (sessions->next + 1) % sessions->count;
    session_drop(slot);
    slot->session = session;
    slot->host = host;
    (void)pthread_mutex_unlock(&sessions->lock);
    return 1;
}

static struct aio__tls_session *session_find(struct aio__tls_sessions *sessions, const char *host)
{
    for (size_t i = 1; i <= sessions->count; i++) {
        size_t index = (sessions->next + sessions->count - i) % sessions->count;
        struct aio__tls_session *slot = &sessions->slots[index];
        if (slot->session != NULL && strcmp(slot->host, host) == 0)
            return slot;
    }
    return NULL;
}

SSL_SESSION *aio__tls_sessions_take(struct aio__tls_sessions *sessions, const char *host)
{
    SSL_SESSION *session = NULL;
    if (sessions->slots == NULL)
        return NULL;
    (void)pthread_mutex_lock(&sessions->lock);
    struct aio__tls_session *slot = session_find(sessions, host);
    if (slot != NULL && SSL_SESSION_up_ref(slot->session) == 1) {
        session = slot->session;
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            session_drop(slot);
    }
    (void)pthread_mutex_unlock(&sessions->lock);
    return session;
}

int aio__tls_sessions_open(struct aio_tls_context *context, int count)
{
    struct aio__tls_sessions *sessions = &context->sessions;
    if (count < 0)
        return 0;
    sessions->slots = OPENSSL_zalloc((size_t)count * sizeof *sessions->slots);
    if (sessions->slots == NULL)
        return -ENOMEM;
    sessions->count = (size_t)count;
    (void)pthread_mutex_init(&sessions->lock, NULL);
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, session_arrived);
    return 0;
}

void aio__tls_sessions_close(struct aio__tls_sessions *sessions)
{
    if (sessions->slots == NULL)
        return;
    for (size_t i = 0; i < sessions->count; i++)
        session_drop(&sessions->slots[i]);
    OPENSSL_free(sessions->slots);
    (void)pthread_mutex_destroy(&sessions->lock);
}
