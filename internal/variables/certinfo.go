package variables

import (
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// CertInfo is HSE_REQ_GET_CERT_INFO_EX: the client's certificate in DER, where buf points to a CERT_CONTEXT_EX.
func (q *Request) CertInfo(buf uintptr) isapi.Error {
	info := native.Read[isapi.CertContextEx](buf)
	info.EncodedSize, info.EncodingType, info.CertificateFlags = 0, 0, 0
	if q.R.TLS == nil || len(q.R.TLS.PeerCertificates) == 0 {
		native.Write(buf, info)
		return isapi.OK
	}
	der := q.R.TLS.PeerCertificates[0].Raw
	info.EncodedSize, info.EncodingType = uint32(len(der)), 1 // X509_ASN_ENCODING
	info.CertificateFlags = uint32(certFlags(q.R.TLS))
	if info.Encoded == 0 || info.Allocated < uint32(len(der)) {
		native.Write(buf, info)
		return isapi.InsufficientBuffer
	}
	copy(native.Bytes(info.Encoded, len(der)), der)
	native.Write(buf, info)
	return isapi.OK
}
