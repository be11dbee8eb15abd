/*
 * Certificates for the tests, made by libcrypto in a temporary folder that goes with the process.
 */
#include "tests/tls/support.h"

#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { YEAR = 365 * 24 * 3600 };

static char folder[64];

/* A certificate that is to be made. */
struct plan {
    const char *name;
    const char *names; /* subjectAltName, or NULL for an issuer */
    long from;         /* seconds from now */
    long to;
    bool edwards; /* its key is of Ed25519 and not of P-256 */
};

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(folder);
}

/* The file of that name in the folder. */
static FILE *create(const char *name, const char *suffix)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    return fopen(path, "we");
}

static void save_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = create(name, ".key");
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;
    AIO_CHECK(file != NULL && PEM_write_PrivateKey(file, key, cipher, NULL, 0, NULL,
                                                   (void *)(uintptr_t)passphrase) == 1);
    if (file != NULL)
        fclose(file);
}

static void extend(X509 *certificate, X509 *issuer, int kind, const char *text)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, text);
    AIO_CHECK(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

struct issuer {
    X509 *certificate;
    EVP_PKEY *key;
};

/* Makes a certificate and its key, signed by the issuer, or by itself when there is none. */
static struct issuer make(const struct plan *plan, const struct issuer *issuer)
{
    static long serial = 1;
    EVP_PKEY *key = plan->edwards ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
    struct issuer made = {X509_new(), key};
    const struct issuer *by = issuer != NULL ? issuer : &made;
    X509_NAME *name = X509_get_subject_name(made.certificate);
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), plan->from);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), plan->to);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)plan->name, -1, -1,
                               0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(by->certificate));
    X509_set_pubkey(made.certificate, made.key);
    if (plan->names == NULL)
        extend(made.certificate, by->certificate, NID_basic_constraints, "critical,CA:TRUE");
    else
        extend(made.certificate, by->certificate, NID_subject_alt_name, plan->names);
    AIO_CHECK(X509_sign(made.certificate, by->key, EVP_sha256()) > 0);
    FILE *file = create(plan->name, ".pem");
    AIO_CHECK(file != NULL && PEM_write_X509(file, made.certificate) == 1);
    if (file != NULL)
        fclose(file);
    save_key(plan->name, made.key, NULL);
    return made;
}

static void forget(struct issuer *made)
{
    X509_free(made->certificate);
    EVP_PKEY_free(made->key);
}

static void fill_folder(void)
{
    static const struct plan plans[] = {
        {"server", "DNS:server.test,IP:127.0.0.1", -3600, YEAR, false},
        {"other", "DNS:other.test,DNS:*.wild.test", -3600, YEAR, false},
        {"edwards", "DNS:edwards.test", -3600, YEAR, true},
        {"client", "DNS:client.test", -3600, YEAR, false},
        {"expired", "DNS:server.test", -2L * YEAR, -YEAR, false},
        {"future", "DNS:server.test", YEAR, 2L * YEAR, false},
    };
    static const struct plan ca = {"ca", NULL, -3L * YEAR, 3L * YEAR, false};
    static const struct plan unknown = {"unknown", NULL, -3600, YEAR, false};
    static const struct plan stranger = {"stranger", "DNS:server.test", -3600, YEAR, false};
    static const struct plan selfmade = {"selfmade", "DNS:server.test", -3600, YEAR, false};
    struct issuer issuer = make(&ca, NULL);
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct issuer made = make(&plans[i], &issuer);
        if (i == 0)
            save_key("locked", made.key, "secret");
        forget(&made);
    }
    forget(&issuer);
    issuer = make(&unknown, NULL);
    struct issuer made = make(&stranger, &issuer);
    forget(&made);
    forget(&issuer);
    made = make(&selfmade, NULL);
    forget(&made);
    FILE *file = create("junk", ".pem");
    if (file != NULL) {
        fputs("-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n", file);
        fclose(file);
    }
}

const char *tls_file(const char *name)
{
    static char paths[16][128];
    static unsigned next;
    if (folder[0] == '\0') {
        const char *base = getenv("TMPDIR");
        (void)snprintf(folder, sizeof folder, "%s/aio-tls-XXXXXX", base != NULL ? base : "/tmp");
        if (mkdtemp(folder) == NULL)
            abort();
        atexit(remove_folder);
        fill_folder();
    }
    char *path = paths[next++ % 16];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}
