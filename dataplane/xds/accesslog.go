package xds

import (
	"errors"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"

	"github.com/taremesh/tare/dataplane"
)

// fileLogger is Envoy's name of the logger that writes lines to a file.
const fileLogger = "envoy.access_loggers.file"

// accessLogs is the log of a proxy, if it has one.
func accessLogs(l *dataplane.AccessLog) ([]*accesslogv3.AccessLog, error) {
	if l == nil {
		return nil, nil
	}
	if l.Path == "" || l.Format == "" {
		return nil, errors.New("an access log needs a path and a format")
	}
	config, err := dataplane.Pack(&filelogv3.FileAccessLog{
		Path: l.Path,
		AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: l.Format},
			}},
		}},
	})
	if err != nil {
		return nil, err
	}
	return []*accesslogv3.AccessLog{{Name: fileLogger, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: config}}}, nil
}
